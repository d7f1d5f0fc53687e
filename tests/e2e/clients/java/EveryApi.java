import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.lang.reflect.Method;
import java.net.Socket;
import java.net.SocketException;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.requests.AbstractResponse;
import org.apache.kafka.common.requests.RequestHeader;
import org.apache.kafka.common.requests.RequestUtils;

/**
 * Sends any request in any version, and reads its answer, by Kafka's own message classes.
 *
 * <p>Without arguments each line of stdin is a request, and stdout gets a line of JSON for it:
 *
 * <pre>
 * connection port API version shift body
 * </pre>
 *
 * {@code connection} is a name: the first request of a name opens it, and port 0 closes it. {@code API} is the
 * key. The body is coded for {@code version}, and {@code shift} is added to the version that the header tells.
 * Answers: {@code {"errors": {name: count}, "answer": {...}}}, or {@code {"closed": true}}, or
 * {@code {"failed": words}} where a message cannot be coded; then the connection is closed.
 *
 * <p>With {@code keys} it prints a line {@code key name lowest highest} for each API that the library knows.
 */
public class EveryApi {
  private static final String MESSAGES = "org.apache.kafka.common.message.";
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Map<String, Socket> CONNECTIONS = new HashMap<>();
  private static int correlation = 0;

  public static void main(String[] a) throws Exception {
    if (a.length == 1 && a[0].equals("keys")) {
      for (ApiKeys key : ApiKeys.values()) {
        System.out.println(key.id + " " + key.name + " " + key.messageType.lowestSupportedVersion() + " " + key.messageType.highestSupportedVersion(true));
      }
      return;
    }
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      String[] words = line.split(" ", 6);
      System.out.println(JSON.writeValueAsString(call(words)));
      System.out.flush();
    }
  }

  private static ObjectNode call(String[] words) throws Exception {
    ObjectNode said = JSON.createObjectNode();
    int port = Integer.parseInt(words[1]);
    try {
      if (port == 0) return close(words[0], said);
      Socket socket = CONNECTIONS.get(words[0]);
      if (socket == null) {
        socket = new Socket("127.0.0.1", port);
        socket.setTcpNoDelay(true);
        socket.setSoTimeout(20_000);
        CONNECTIONS.put(words[0], socket);
      }
      ApiKeys api = ApiKeys.forId(Integer.parseInt(words[2]));
      return call(socket, api, Short.parseShort(words[3]), Short.parseShort(words[4]), JSON.readTree(words[5]), said);
    } catch (EOFException | SocketException e) {
      return close(words[0], said).put("closed", true);
    } catch (Exception e) {
      Throwable cause = e.getCause() == null ? e : e.getCause();
      return close(words[0], said).put("failed", cause.toString());
    }
  }

  private static ObjectNode close(String connection, ObjectNode said) throws Exception {
    Socket socket = CONNECTIONS.remove(connection);
    if (socket != null) socket.close();
    return said;
  }

  private static ObjectNode call(Socket socket, ApiKeys api, short version, short shift, JsonNode body, ObjectNode said) throws Exception {
    Class<?> reader = Class.forName(MESSAGES + api.name + "RequestDataJsonConverter");
    ApiMessage request = (ApiMessage) reader.getMethod("read", JsonNode.class, short.class).invoke(null, body, version);
    RequestHeader header = new RequestHeader(api, version, "every-api", ++correlation);
    ByteBuffer frame = RequestUtils.serialize(header.data(), header.headerVersion(), request, version);
    frame.putShort(2, (short) (version + shift));
    OutputStream out = socket.getOutputStream();
    ByteBuffer length = ByteBuffer.allocate(4).putInt(0, frame.remaining());
    out.write(length.array());
    out.write(frame.array(), frame.arrayOffset() + frame.position(), frame.remaining());
    out.flush();

    DataInputStream in = new DataInputStream(socket.getInputStream());
    byte[] answer = new byte[in.readInt()];
    in.readFully(answer);
    ByteBuffer bytes = ByteBuffer.wrap(answer);
    AbstractResponse response = AbstractResponse.parseResponse(bytes, header);
    if (bytes.hasRemaining()) throw new IllegalStateException(bytes.remaining() + " bytes are left over");
    Method write = Class.forName(MESSAGES + api.name + "ResponseDataJsonConverter").getMethod("write", response.data().getClass(), short.class);
    ObjectNode errors = said.putObject("errors");
    response.errorCounts().forEach((error, count) -> errors.put(error.name(), count));
    said.set("answer", (JsonNode) write.invoke(null, response.data(), version));
    return said;
  }
}
