import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.security.auth.callback.Callback;
import javax.security.auth.callback.UnsupportedCallbackException;
import javax.security.auth.login.AppConfigurationEntry;
import org.apache.kafka.common.security.auth.AuthenticateCallbackHandler;
import org.apache.kafka.common.security.auth.SaslExtensionsCallback;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerToken;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerTokenCallback;

/** Hands out the token that SASL_TOKEN_FILE holds at the time, without a look at its signature. */
public class TokenFile implements AuthenticateCallbackHandler {
  private static final Pattern EXPIRES = Pattern.compile("\"exp\"\\s*:\\s*(\\d+)");

  private record Token(String value, String principalName, Long startTimeMs, long lifetimeMs, Set<String> scope)
      implements OAuthBearerToken {}

  @Override
  public void configure(Map<String, ?> configs, String mechanism, List<AppConfigurationEntry> entries) {}

  @Override
  public void close() {}

  @Override
  public void handle(Callback[] callbacks) throws IOException, UnsupportedCallbackException {
    for (Callback callback : callbacks) {
      if (callback instanceof OAuthBearerTokenCallback wanted) wanted.token(token());
      else if (!(callback instanceof SaslExtensionsCallback)) throw new UnsupportedCallbackException(callback);
    }
  }

  private static Token token() throws IOException {
    String jwt = Files.readString(Path.of(System.getenv("SASL_TOKEN_FILE"))).strip();
    String payload = new String(Base64.getUrlDecoder().decode(jwt.split("\\.")[1]), StandardCharsets.UTF_8);
    Matcher expires = EXPIRES.matcher(payload);
    if (!expires.find()) throw new IOException("the token has no exp");
    return new Token(jwt, "e2e", null, Long.parseLong(expires.group(1)) * 1000, Set.of());
  }
}
