package chatpb;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The code of docs/languages/java.md runs, and prints what its comments say. */
class DocsTest {
  private static final Pattern PROGRAM = Pattern.compile("^```java\\n(.*?)^```", Pattern.DOTALL | Pattern.MULTILINE);
  private static final Pattern PRINTED = Pattern.compile("System\\.out\\.println\\(.*\\); // (.*)$", Pattern.MULTILINE);

  static List<String> programs() throws IOException {
    String page = Files.readString(Support.ROOT.resolve("docs/languages/java.md"));
    return groups(PROGRAM, page);
  }

  private static List<String> groups(Pattern pattern, String text) {
    return pattern.matcher(text).results().map((MatchResult found) -> found.group(1)).toList();
  }

  @ParameterizedTest
  @MethodSource("programs")
  void prints(String program, @TempDir Path folder) throws Exception {
    List<String> expected = groups(PRINTED, program);
    assertFalse(expected.isEmpty());
    String imports = program.lines().filter(line -> line.startsWith("import ")).collect(Collectors.joining("\n"));
    String body = program.lines().filter(line -> !line.startsWith("import ")).collect(Collectors.joining("\n"));
    String main = "public static void main(String[] arguments) throws Exception {\n" + body + "\n}";
    Path file = folder.resolve("Program.java");
    Files.writeString(file, imports + "\npublic class Program {\n" + main + "\n}\n");
    String path = System.getProperty("java.class.path");
    // The class path names a folder of natives, which is not there before they are built.
    String[] arguments = {"-Xlint:all,-path", "-Werror", "-proc:none", "-cp", path, "-d", folder.toString(), file.toString()};
    assertEquals(0, ToolProvider.getSystemJavaCompiler().run(null, null, null, arguments));

    ByteArrayOutputStream printed = new ByteArrayOutputStream();
    PrintStream before = System.out;
    try (URLClassLoader loader = new URLClassLoader(new URL[] {folder.toUri().toURL()})) {
      System.setOut(new PrintStream(printed, true, StandardCharsets.UTF_8));
      loader.loadClass("Program").getMethod("main", String[].class).invoke(null, (Object) new String[0]);
    } finally {
      System.setOut(before);
    }
    assertEquals(expected, Stream.of(printed.toString(StandardCharsets.UTF_8).split("\n")).toList());
  }
}
