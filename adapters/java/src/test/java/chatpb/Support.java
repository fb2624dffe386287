package chatpb;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.function.Executable;

/** The vectors of all languages, and recorded documents. */
final class Support {
  static final Path ROOT = Path.of(System.getProperty("user.dir"), "..", "..").normalize();

  private Support() {}

  /** A vector; of one that has no JSON input, that is null. */
  record Vector(String name, String type, byte[] wire, String expected, byte[] input) {
    @Override
    public String toString() {
      return name;
    }
  }

  static List<Vector> vectors() {
    try (Stream<Path> folders = Files.list(ROOT.resolve("tests/vectors"))) {
      return folders.sorted().map(Support::vector).toList();
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  private static Vector vector(Path folder) {
    try {
      Path input = folder.resolve("input.json");
      String about = Files.readString(folder.resolve("case.json"));
      return new Vector(
          folder.getFileName().toString(),
          about.replaceAll("(?s).*\"message\": *\"([^\"]*)\".*", "$1"),
          Files.readAllBytes(folder.resolve("wire.binpb")),
          Files.readString(folder.resolve("expected.json")),
          Files.exists(input) ? Files.readAllBytes(input) : null);
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  /** Returns the documents of a file of JSON lines under gzip. */
  static List<byte[]> documents(Path file) throws IOException {
    try (BufferedReader lines =
        new BufferedReader(
            new InputStreamReader(new GZIPInputStream(Files.newInputStream(file)), StandardCharsets.UTF_8))) {
      return lines.lines().filter(line -> !line.isBlank()).map(Support::utf8).toList();
    }
  }

  static byte[] utf8(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  static byte[] bytes(int... values) {
    byte[] bytes = new byte[values.length];
    for (int at = 0; at < values.length; at++) {
      bytes[at] = (byte) values[at];
    }
    return bytes;
  }

  static ChatpbException refused(ChatpbException.Code code, Executable call) {
    ChatpbException error = assertThrows(ChatpbException.class, call);
    assertEquals(code, error.code(), error.getMessage());
    return error;
  }
}
