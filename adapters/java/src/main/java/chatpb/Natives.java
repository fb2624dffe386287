package chatpb;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Locale;
import java.util.Map;

/**
 * The functions of chatpb.h in the library of the artifact chatpb-native, which adapters/java/native makes. The last parameter takes
 * the bytes of an error.
 */
final class Natives {
  /** The property that says whether the library converts: auto, where it is there and can be loaded; always; never. */
  private static final String PROPERTY = "chatpb.native";

  private static final Map<String, String> PROCESSORS =
      Map.of("amd64", "x86_64", "x86_64", "x86_64", "aarch64", "aarch64", "arm64", "aarch64");

  private Natives() {}

  static native long schemaNew(byte[] descriptors, byte[] typeName, byte[][] failure);

  static native void schemaFree(long schema);

  static native long codecNew(long schema);

  static native void codecFree(long codec);

  static native byte[] jsonToWire(long codec, byte[] json, int options, byte[][] failure);

  static native byte[] wireToJson(long codec, byte[] wire, int options, byte[][] failure);

  static native byte[] validate(long codec, byte[] wire, int options, byte[][] failure);

  static native byte[] compactStream(long codec, byte[] chunks, int options, byte[][] failure);

  static native byte[] expandStream(long codec, byte[] stream, int options, byte[][] failure);

  static native long accumulatorNew(long chunk);

  static native void accumulatorFree(long accumulator);

  static native byte[] accumulatorAdd(long accumulator, byte[] chunk, int options, byte[][] failure);

  static native byte[] accumulatorJson(long accumulator, byte[][] failure);

  static native long splitterNew(long completion, long chunk, byte[] wire, int characters, int options, byte[][] failure);

  static native void splitterFree(long splitter);

  static native byte[] splitterNext(long splitter, byte[][] failure);

  /** Loads the library as the property says. Returns whether it is there to convert. */
  static boolean load() {
    String wish = System.getProperty(PROPERTY, "auto");
    return switch (wish) {
      case "never" -> false;
      case "auto" -> {
        try { // the system, or the flags of java, may not allow it
          yield loaded();
        } catch (UnsatisfiedLinkError | IllegalCallerException | UncheckedIOException error) {
          yield false;
        }
      }
      case "always" -> {
        if (!loaded()) {
          throw new UnsatisfiedLinkError(
              "-D" + PROPERTY + "=always needs the artifact chatpb-native of this version, with " + resource());
        }
        yield true;
      }
      default -> throw new IllegalArgumentException("-D" + PROPERTY + " is auto, always or never, not " + wish);
    };
  }

  /** Returns where the library of this system is; that of another version of chatpb is elsewhere. */
  private static String resource() {
    String processor = System.getProperty("os.arch");
    String system = System.getProperty("os.name").toLowerCase(Locale.ROOT);
    return "native-" + version() + "/" + system + "-" + PROCESSORS.getOrDefault(processor, processor) + "/libchatpb_java.so";
  }

  private static String version() {
    try (InputStream file = WasmCore.resource("version.txt")) {
      return new String(file.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  /** Loads the library if the class path has it. */
  private static boolean loaded() {
    try (InputStream library = Natives.class.getResourceAsStream(resource())) {
      if (library == null) {
        return false;
      }
      Path file = Files.createTempFile("libchatpb_java", ".so");
      try {
        Files.copy(library, file, StandardCopyOption.REPLACE_EXISTING);
        System.load(file.toString());
      } finally {
        Files.delete(file);
      }
      return true;
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }
}
