import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs Kafka's command-line tools one after the other, each in a fraction of the time that a JVM of its own
 * takes.
 *
 * <p>Each line of stdin is a list of JSON: what the tool finds in its own stdin, the name of its class, and its
 * arguments. A line of stdout tells how it went: {@code {"code": exit code, "out": stdout, "err": stderr}}.
 */
public class Tools {
  private static final ObjectMapper JSON = new ObjectMapper();

  /** Thrown in the place of an end of the JVM. Tools that catch everything end a second time: the first counts. */
  private static final class Ended extends RuntimeException {
    Ended() {
      super("", null, false, false);
    }
  }

  /** What the tool that runs wants done at its end: some write out their records there. */
  private static final List<Runnable> HOOKS = new ArrayList<>();

  /** The first exit code of the tool that runs; null before it ends itself. */
  private static Integer exit;

  public static void main(String[] none) throws Exception {
    PrintStream out = System.out;
    Exit.Procedure end = (code, message) -> {
      if (exit == null) exit = code;
      throw new Ended();
    };
    Exit.setExitProcedure(end);
    Exit.setHaltProcedure(end);
    Exit.setShutdownHookAdder((name, hook) -> HOOKS.add(hook));
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      out.println(JSON.writeValueAsString(run(JSON.readTree(line))));
      out.flush();
    }
  }

  private static ObjectNode run(JsonNode wanted) throws Exception {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    ByteArrayOutputStream err = new ByteArrayOutputStream();
    System.setIn(new ByteArrayInputStream(wanted.get(0).asText().getBytes()));
    System.setOut(new PrintStream(out, true));
    System.setErr(new PrintStream(err, true));
    String[] arguments = new String[wanted.size() - 2];
    for (int i = 0; i < arguments.length; i++) arguments[i] = wanted.get(i + 2).asText();
    exit = null;
    HOOKS.clear();
    try {
      Class.forName(wanted.get(1).asText()).getMethod("main", String[].class).invoke(null, (Object) arguments);
    } catch (InvocationTargetException e) {
      if (!(e.getCause() instanceof Ended)) {
        e.getCause().printStackTrace();
        exit = 1;
      }
    }
    HOOKS.forEach(Runnable::run);
    return JSON.createObjectNode().put("code", exit == null ? 0 : exit).put("out", out.toString()).put("err", err.toString());
  }
}
