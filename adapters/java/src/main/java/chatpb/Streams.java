package chatpb;

import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;

/** Whole streams: a completion split into chunks, and chunks in one message. */
public final class Streams {
  private Streams() {}

  /** Returns the wire bytes of a completion's chunks, given its own: a word of text in each. See the other method. */
  public static List<byte[]> split(byte[] completion, Option... options) throws ChatpbException {
    return chunks(completion, 0, options);
  }

  /**
   * Returns the wire bytes of a completion's chunks, given its own.
   *
   * @param characters how many characters of text are in each chunk, at least 1.
   * @param options NONFINITE, SKIP_UNKNOWN_FIELDS, WITHOUT_USAGE.
   * @throws ChatpbException WIRE.
   */
  public static List<byte[]> split(byte[] completion, int characters, Option... options) throws ChatpbException {
    if (characters < 1) {
      throw new IllegalArgumentException("characters must be at least 1, not " + characters);
    }
    return chunks(completion, characters, options);
  }

  private static List<byte[]> chunks(byte[] wire, int characters, Option... options) throws ChatpbException {
    int flags = Option.flags(options, Option.TO_SPLIT);
    Objects.requireNonNull(wire, "completion");
    Codec completion = Codec.of(Chatpb.COMPLETION);
    Codec chunk = Codec.of(Chatpb.CHUNK);
    return Engines.run(
        engine -> {
          List<byte[]> chunks = new ArrayList<>();
          long splitter =
              engine.core.splitterNew(engine.schema(completion), engine.schema(chunk), wire, characters, flags);
          for (byte[] each = engine.core.splitterNext(splitter); each != null; each = engine.core.splitterNext(splitter)) {
            chunks.add(each);
          }
          engine.core.splitterFree(splitter);
          return chunks;
        });
  }

  /**
   * Returns the wire bytes of the ChatCompletionStream that consists of chunks; what all of them have is stored once.
   *
   * @param chunks the wire bytes of each chunk.
   * @throws ChatpbException WIRE, whose path is the place of the chunk.
   */
  public static byte[] compact(Iterable<byte[]> chunks) throws ChatpbException {
    // The chunks go to the core each after its length.
    ByteArrayOutputStream joined = new ByteArrayOutputStream();
    for (byte[] chunk : chunks) {
      int rest = chunk.length;
      for (; rest > 127; rest >>>= 7) {
        joined.write(rest & 127 | 128);
      }
      joined.write(rest);
      joined.writeBytes(chunk);
    }
    Codec codec = Codec.of(Chatpb.CHUNK);
    byte[] input = joined.toByteArray();
    return Engines.run(engine -> engine.core.compactStream(engine.codec(codec), input, 0));
  }

  /**
   * Returns the wire bytes of each chunk of an encoded ChatCompletionStream.
   *
   * @throws ChatpbException WIRE for bytes that are no valid encoding, or that stand for more than 256 MiB of chunks.
   */
  public static List<byte[]> expand(byte[] stream) throws ChatpbException {
    Objects.requireNonNull(stream, "stream");
    Codec codec = Codec.of(Chatpb.CHUNK);
    byte[] joined = Engines.run(engine -> engine.core.expandStream(engine.codec(codec), stream, 0));
    List<byte[]> chunks = new ArrayList<>();
    for (int at = 0; at < joined.length; ) {
      int length = 0;
      int shift = 0;
      for (; joined[at] < 0; at++, shift += 7) {
        length |= (joined[at] & 127) << shift;
      }
      length |= joined[at++] << shift;
      chunks.add(Arrays.copyOfRange(joined, at, at + length));
      at += length;
    }
    return chunks;
  }
}
