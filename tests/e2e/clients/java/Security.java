import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;

/** How the programs prove who they are, from the environment variables of ../README.md. */
final class Security {
  private static final String MODULES = "org.apache.kafka.common.security.";

  private Security() {}

  /** The properties for it, to which a client adds its own. */
  static Properties properties() throws IOException {
    Properties p = new Properties();
    String protocol = System.getenv().getOrDefault("SECURITY_PROTOCOL", "PLAINTEXT");
    p.put("security.protocol", protocol);
    if (protocol.startsWith("SASL_")) sasl(p, System.getenv("SASL_MECHANISM"));
    if (protocol.endsWith("SSL")) tls(p);
    return p;
  }

  private static void sasl(Properties p, String mechanism) {
    p.put("sasl.mechanism", mechanism);
    if (mechanism.equals("OAUTHBEARER")) {
      p.put("sasl.jaas.config", MODULES + "oauthbearer.OAuthBearerLoginModule required;");
      p.put("sasl.login.callback.handler.class", TokenFile.class.getName());
      // A token that ends within seconds is to be replaced before it does, not a minute after it was got.
      p.put("sasl.login.refresh.min.period.seconds", "0");
      p.put("sasl.login.refresh.buffer.seconds", "0");
      return;
    }
    String module = mechanism.equals("PLAIN") ? "plain.PlainLoginModule" : "scram.ScramLoginModule";
    String user = quoted(System.getenv("SASL_USERNAME"));
    String password = quoted(System.getenv("SASL_PASSWORD"));
    p.put("sasl.jaas.config", MODULES + module + " required username=" + user + " password=" + password + ";");
  }

  private static String quoted(String value) {
    return '"' + value.replace("\\", "\\\\").replace("\"", "\\\"") + '"';
  }

  private static void tls(Properties p) throws IOException {
    p.put("ssl.truststore.type", "PEM");
    p.put("ssl.truststore.certificates", Files.readString(Path.of(System.getenv("SSL_CA_FILE"))));
    String certificate = System.getenv("SSL_CERTIFICATE_FILE");
    if (certificate == null) return;
    p.put("ssl.keystore.type", "PEM");
    p.put("ssl.keystore.certificate.chain", Files.readString(Path.of(certificate)));
    p.put("ssl.keystore.key", Files.readString(Path.of(System.getenv("SSL_KEY_FILE"))));
  }
}
