package chatpb;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Collectors;

/**
 * Measures the conversions of recorded completions beside Jackson, the start, and memory. Its argument is a folder with
 * completion.jsonl.gz:
 *
 * <pre>mvn -q -B test-compile exec:java -Dexec.args=FOLDER</pre>
 */
public final class Benchmark {
  private static final int ROUNDS = 300;
  private static final int[] COUNTS = {1_000, 1_000_000};
  private static final int DOCUMENTS = 400_000;
  private static final double MICROSECOND = 1e3;
  private static final double SECOND = 1e9;

  /** What is measured: some work on every document. */
  interface Work {
    void run() throws Exception;
  }

  private Benchmark() {}

  public static void main(String[] arguments) throws Exception {
    long start = System.nanoTime();
    Chatpb.jsonToWire("{}");
    long time = (System.nanoTime() - start) / 1_000_000;
    System.out.printf("first call: %d ms, of %s%n", time, Chatpb.isNative() ? "machine code" : "Java classes");

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

    List<byte[]> chunks = Streams.split(wires.get(0));
    double[] other =
        fastest(
            1,
            List.of(
                () -> forEach(wires, wire -> codec.validate(wire)),
                () -> forEach(chunks, new Accumulator()::addWire),
                () -> Streams.split(wires.get(0))));
    System.out.printf("validate: %.1f us a completion%n", other[0] / wires.size());
    System.out.printf("Accumulator: %.1f us a chunk, split: %.1f us a chunk%n", other[1] / chunks.size(), other[2] / chunks.size());

    for (int count = 1; count <= Runtime.getRuntime().availableProcessors(); count *= 2) {
      System.out.printf("%d threads: %.0f documents a second, both ways%n", count, together(Executors.newFixedThreadPool(count), count, texts));
    }
    ExecutorService virtual = virtualThreads();
    if (virtual != null) {
      System.out.printf("1000 virtual threads: %.0f documents a second, both ways%n", together(virtual, 1000, texts));
    }

    int done = 0;
    for (int count : COUNTS) {
      for (; done < count; done++) {
        codec.wireToJsonBytes(codec.jsonToWire(texts.get(done % texts.size())));
      }
      System.gc();
      Runtime memory = Runtime.getRuntime();
      double heap = (memory.totalMemory() - memory.freeMemory()) / (double) (1 << 20);
      System.out.printf("after %d documents: %.1f MiB of Java's memory; %s%n", count, heap, resident());
    }
  }

  /** Returns what the system says of all memory of the process, where it does. */
  private static String resident() throws IOException {
    Path status = Path.of("/proc/self/status");
    return Files.exists(status)
        ? Files.readAllLines(status).stream().filter(line -> line.startsWith("VmRSS")).collect(Collectors.joining())
        : "";
  }

  private interface Each<T> {
    void take(T value) throws Exception;
  }

  /** Returns an executor with a virtual thread for each task, or null in a Java that has none. */
  private static ExecutorService virtualThreads() throws ReflectiveOperationException {
    try {
      return (ExecutorService) Executors.class.getMethod("newVirtualThreadPerTaskExecutor").invoke(null);
    } catch (NoSuchMethodException error) {
      return null;
    }
  }

  /** Returns how many documents a second some threads convert to wire bytes and back, all at once. */
  private static double together(ExecutorService threads, int count, List<byte[]> texts) throws Exception {
    Codec codec = Codec.of(Chatpb.COMPLETION);
    int turns = Math.max(1, DOCUMENTS / texts.size() / count);
    long start = System.nanoTime();
    List<Future<Object>> all = new ArrayList<>();
    for (int number = 0; number < count; number++) {
      all.add(
          threads.submit(
              () -> {
                for (int turn = 0; turn < turns; turn++) {
                  forEach(texts, text -> codec.wireToJsonBytes(codec.jsonToWire(text)));
                }
                return null;
              }));
    }
    for (Future<Object> each : all) {
      each.get();
    }
    double seconds = (System.nanoTime() - start) / SECOND;
    threads.shutdown();
    return (double) count * turns * texts.size() / seconds;
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
