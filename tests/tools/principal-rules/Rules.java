// What Kafka's own class makes of rules and names: the table that the filter's rules are tested by.
//
//   java -cp 'target/tools/kafka/*' tests/tools/principal-rules/Rules.java COMMAND
//
//   table FILE     writes FILE anew
//   check FILE     fails if `table` would change FILE
//   random N SEED  prints cases of N made-up rules
//   case           prints cases of all letters, with L and U
//
// A case is a JSON object in a line of its own: `rules` and `name` go in; `kafka` comes out: the principal,
// null if no rule fits, or {"invalid": …} for rules that Kafka does not take and {"fails": …} where Kafka
// throws. `here` says what the filter does instead, if it does not do the same, and is left as it is. The cases
// are such that Java 17 to 25 agree about them.

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.apache.kafka.common.security.ssl.SslPrincipalMapper;

public class Rules {
    static final ObjectMapper JSON = new ObjectMapper();

    public static void main(String[] arguments) throws IOException {
        if (arguments[0].equals("random")) {
            random(Integer.parseInt(arguments[1]), new Random(Long.parseLong(arguments[2])));
            return;
        }
        if (arguments[0].equals("case")) {
            letters(true);
            letters(false);
            return;
        }
        Path file = Path.of(arguments[1]);
        List<String> written = new ArrayList<>();
        for (String line : Files.readAllLines(file)) {
            if (line.startsWith("{")) {
                ObjectNode item = (ObjectNode) JSON.readTree(line.replaceAll(",$", ""));
                answer(item);
                written.add(JSON.writeValueAsString(item));
            }
        }
        String text = "[\n" + String.join(",\n", written) + "\n]\n";
        if (arguments[0].equals("table")) {
            Files.writeString(file, text);
        } else if (!text.equals(Files.readString(file))) {
            System.err.println("the table is not what Kafka's class says");
            System.exit(1);
        }
    }

    static void answer(ObjectNode item) {
        List<String> rules = new ArrayList<>();
        item.get("rules").forEach(rule -> rules.add(rule.textValue()));
        item.remove("kafka");
        SslPrincipalMapper mapper;
        try {
            mapper = SslPrincipalMapper.fromRules(String.join(", ", rules));
        } catch (RuntimeException error) {
            item.putObject("kafka").put("invalid", error.getClass().getSimpleName());
            return;
        }
        try {
            String principal = mapper.getName(item.get("name").textValue());
            if (StandardCharsets.UTF_8.newEncoder().canEncode(principal)) {
                item.put("kafka", principal);
            } else {
                item.putObject("kafka").put("fails", "half a surrogate pair is left");
            }
        } catch (IOException none) {
            item.putNull("kafka");
        } catch (RuntimeException | StackOverflowError error) {
            item.putObject("kafka").put("fails", error.getClass().getSimpleName());
        }
    }

    /** Small patterns over few characters, so that many of them match. */
    static void random(int count, Random random) throws IOException {
        for (int i = 0; i < count; i++) {
            String pattern = alternatives(random, 3);
            if (random.nextInt(3) == 0) {
                pattern = "^" + pattern + "$";
            }
            String replacement = pick(random, "<$1>", "<$0>", "[$1|$2]", "$2$1", "${n}", "$3x", "\\$1", "$12", "x");
            String rule = "RULE:" + pattern + "/" + replacement + "/" + pick(random, "", "", "L", "U");
            for (int j = 0; j < 4; j++) {
                ObjectNode item = JSON.createObjectNode();
                ArrayNode rules = item.putArray("rules");
                rules.add(rule);
                rules.add("DEFAULT");
                item.put("name", name(random));
                answer(item);
                System.out.println(JSON.writeValueAsString(item));
            }
        }
    }

    /** All characters that may have a case, four to a name: alone, or behind a letter for the final sigma. */
    static void letters(boolean alone) throws IOException {
        for (int block = 0; block < 0x1F000; block += 4) {
            StringBuilder name = new StringBuilder();
            for (int c = block; c < block + 4; c++) {
                if (Character.getType(c) != Character.SURROGATE) {
                    name.appendCodePoint(c).append(alone ? " " : " a\u03a3").appendCodePoint(c).append(alone ? "," : "\u03a3 b");
                }
            }
            for (String end : List.of("L", "U")) {
                ObjectNode item = JSON.createObjectNode();
                item.putArray("rules").add("RULE:(?s).*.$/<$0>/" + end);
                item.put("name", name.toString());
                answer(item);
                System.out.println(JSON.writeValueAsString(item));
            }
        }
    }

    static String name(Random random) {
        StringBuilder name = new StringBuilder();
        for (int left = random.nextInt(7); left > 0; left--) {
            name.append(character(random));
        }
        return name.toString();
    }

    static String character(Random random) {
        if (random.nextInt(8) > 0) {
            return pick(random, "a", "b", "a", "b", "A", ",", "=");
        }
        return pick(random, "\u017f", "s", "K", "\u212a", "\u00e9", "\u00c9", "\ud83d\ude00", "\n", "\r", "\u0085", "\u2028", "\u03a3",
            "\u0130", "\u0131", "1", "_", " ", "-", "]", "\u00df", "i", "&");
    }

    static String alternatives(Random random, int depth) {
        StringBuilder out = new StringBuilder(sequence(random, depth));
        while (random.nextInt(4) == 0) {
            out.append('|').append(sequence(random, depth));
        }
        return out.toString();
    }

    static String sequence(Random random, int depth) {
        StringBuilder out = new StringBuilder();
        for (int left = 1 + random.nextInt(4) - random.nextInt(6) / 5; left > 0; left--) {
            out.append(atom(random, depth));
            if (random.nextInt(2) == 0) {
                out.append(pick(random, "*", "+", "?", "{2}", "{1,}", "{0,2}", "{1,3}", "*", "+"));
                out.append(pick(random, "", "", "?", random.nextInt(9) == 0 ? "+" : ""));
            }
        }
        return out.toString();
    }

    static String atom(Random random, int depth) {
        switch (random.nextInt(depth > 0 ? 12 : 8)) {
            case 0:
                return ".";
            case 1:
                return characterClass(random, 2);
            case 2:
                return pick(random, "\\w", "\\d", "\\s", "\\W", "\\D", "\\S", "\\v", "\\h", "\\V", "\\H", "\\p{Alpha}", "\\P{Lower}",
                    "\\p{Upper}", "\\x41", "\\x{1F600}", "\\u00e9", "\\0101", "\\Qa.\\E", "\\Qab\\E", "\\,", "\\=", "\\t", "\\n");
            case 3:
                return random.nextInt(3) > 0 ? "a" : pick(random, "^", "$", "\\A", "\\z", "\\Z", "(?i)", "(?s)", "(?-i)", "(?d)", "(?is)");
            case 8:
            case 9:
                return "(" + alternatives(random, depth - 1) + ")";
            case 10:
                return "(?:" + alternatives(random, depth - 1) + ")";
            case 11:
                return pick(random, "(?i:", "(?s:", "(?<n>", "(?d-i:") + alternatives(random, depth - 1) + ")";
            default:
                String c = character(random);
                return c.equals("&") || c.equals("-") || Character.isLetterOrDigit(c.codePointAt(0)) ? c : "\\" + c;
        }
    }

    static String characterClass(Random random, int depth) {
        StringBuilder out = new StringBuilder(random.nextInt(3) == 0 ? "[^" : "[");
        for (int left = 1 + random.nextInt(3); left > 0; left--) {
            switch (random.nextInt(depth > 0 ? 8 : 6)) {
                case 0:
                    out.append(pick(random, "a-z", "A-B", "b-\u00ff", "K-\u017f", "a-", "-b", "\\x00-b", ",-=", "S-k"));
                    break;
                case 1:
                    out.append(pick(random, "\\w", "\\s", "\\D", "\\p{Alpha}", "\\p{Punct}", "\\h", "\\v", "\\P{Digit}", "\\]", "\\-"));
                    break;
                case 6:
                    out.append(characterClass(random, depth - 1));
                    break;
                case 7:
                    out.append("&&").append(characterClass(random, depth - 1));
                    break;
                default:
                    out.append(character(random));
            }
        }
        return out.append(']').toString();
    }

    static String pick(Random random, String... choices) {
        return choices[random.nextInt(choices.length)];
    }
}
