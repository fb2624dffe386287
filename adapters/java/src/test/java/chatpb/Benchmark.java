package chatpb;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Measures the conversions of recorded completions beside Jackson, the start, and memory. Its argument is a folder with
 * completion.jsonl.gz:
 *
 * <pre>mvn -q -B test-compile exec:java -Dexec.args=FOLDER</pre>
 */
public final class Benchmark {
  private static final int ROUNDS = 300;
  private static final int[] COUNTS = {1_000, 1_000_000};
  private static final double MICROSECOND = 1e3;

  /** What is measured: some work on every document. */
  interface Work {
    void run() throws Exception;
  }

  private Benchmark() {}

  public static void main(String[] arguments) throws Exception {
    long start = System.nanoTime();
    Chatpb.jsonToWire("{}");
    System.out.printf("first call: %d ms%n", (System.nanoTime() - start) / 1_000_000);

    List<byte[]> texts = Support.documents(Path.of(arguments[0], "completion.jsonl.gz"));
    ObjectMapper jackson = new ObjectMapper();
    List<byte[]> wires = new ArrayList<>();
    List<JsonNode> trees = new ArrayList<>();
    for (byte[] text : texts) {
      wires.add(Chatpb.jsonToWire(text));
      trees.add(jackson.readTree(text));
    }
    Codec codec = Codec.of(Chatpb.COMPLETION);
    double[] best =
        fastest(
            texts.size(),
            List.of(
                () -> forEach(texts, codec::jsonToWire),
                () -> forEach(texts, jackson::readTree),
                () -> forEach(wires, codec::wireToJsonBytes),
                () -> forEach(trees, jackson::writeValueAsBytes)));
    System.out.printf("JSON to wire: %.1f us, Jackson readTree: %.1f us, ratio %.2f%n", best[0], best[1], best[0] / best[1]);
    System.out.printf("wire to JSON: %.1f us, Jackson: %.1f us, ratio %.2f%n", best[2], best[3], best[2] / best[3]);

    int done = 0;
    for (int count : COUNTS) {
      for (; done < count; done++) {
        codec.wireToJsonBytes(codec.jsonToWire(texts.get(done % texts.size())));
      }
      System.gc();
      Runtime memory = Runtime.getRuntime();
      System.out.printf("after %d documents: %.1f MiB%n", count, (memory.totalMemory() - memory.freeMemory()) / (double) (1 << 20));
    }
  }

  private interface Each<T> {
    Object take(T value) throws Exception;
  }

  private static <T> void forEach(List<T> values, Each<T> each) throws Exception {
    for (T value : values) {
      each.take(value);
    }
  }

  /** Returns the time of the fastest round of each, in microseconds a document. The rounds take turns. */
  private static double[] fastest(int documents, List<Work> works) throws Exception {
    double[] best = new double[works.size()];
    for (int round = 0; round < ROUNDS; round++) {
      for (int number = 0; number < best.length; number++) {
        long start = System.nanoTime();
        works.get(number).run();
        double time = (System.nanoTime() - start) / MICROSECOND / documents;
        best[number] = round == 0 ? time : Math.min(best[number], time);
      }
    }
    return best;
  }
}
