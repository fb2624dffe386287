package chatpb;

import java.nio.ByteBuffer;

/** The core as machine code, which the artifact chatpb-native brings. */
final class NativeCore implements Core {
  /** What a native method reports: the bytes of an error, or nothing. */
  private static byte[][] noFailure() {
    return new byte[1][];
  }

  private static <T> T checked(T found, byte[][] failure) throws ChatpbException {
    if (failure[0] == null) {
      return found;
    }
    ByteBuffer error = ByteBuffer.wrap(failure[0]);
    int code = (int) error.getLong();
    long line = error.getLong();
    long column = error.getLong();
    long offset = error.getLong();
    byte[] path = new byte[(int) error.getLong()];
    error.get(path);
    byte[] reason = new byte[error.remaining()];
    error.get(reason);
    throw Core.error(code, path, reason, line, column, offset);
  }

  @Override
  public long schemaNew(byte[] descriptors, byte[] typeName) throws ChatpbException {
    byte[][] failure = noFailure();
    return checked(Natives.schemaNew(descriptors, typeName, failure), failure);
  }

  @Override
  public void schemaFree(long schema) {
    Natives.schemaFree(schema);
  }

  @Override
  public long codecNew(long schema) {
    return Natives.codecNew(schema);
  }

  @Override
  public void codecFree(long codec) {
    Natives.codecFree(codec);
  }

  @Override
  public byte[] jsonToWire(long codec, byte[] json, int options) throws ChatpbException {
    byte[][] failure = noFailure();
    return checked(Natives.jsonToWire(codec, json, options, failure), failure);
  }

  @Override
  public byte[] wireToJson(long codec, byte[] wire, int options) throws ChatpbException {
    byte[][] failure = noFailure();
    return checked(Natives.wireToJson(codec, wire, options, failure), failure);
  }

  @Override
  public byte[] validate(long codec, byte[] wire, int options) throws ChatpbException {
    byte[][] failure = noFailure();
    return checked(Natives.validate(codec, wire, options, failure), failure);
  }

  @Override
  public byte[] compactStream(long codec, byte[] chunks, int options) throws ChatpbException {
    byte[][] failure = noFailure();
    return checked(Natives.compactStream(codec, chunks, options, failure), failure);
  }

  @Override
  public byte[] expandStream(long codec, byte[] stream, int options) throws ChatpbException {
    byte[][] failure = noFailure();
    return checked(Natives.expandStream(codec, stream, options, failure), failure);
  }

  @Override
  public long accumulatorNew(long chunk) {
    return Natives.accumulatorNew(chunk);
  }

  @Override
  public void accumulatorFree(long accumulator) {
    Natives.accumulatorFree(accumulator);
  }

  @Override
  public void accumulatorAdd(long accumulator, byte[] chunk, int options) throws ChatpbException {
    byte[][] failure = noFailure();
    checked(Natives.accumulatorAdd(accumulator, chunk, options, failure), failure);
  }

  @Override
  public byte[] accumulatorJson(long accumulator) throws ChatpbException {
    byte[][] failure = noFailure();
    return checked(Natives.accumulatorJson(accumulator, failure), failure);
  }

  @Override
  public long splitterNew(long completion, long chunk, byte[] wire, int characters, int options) throws ChatpbException {
    byte[][] failure = noFailure();
    return checked(Natives.splitterNew(completion, chunk, wire, characters, options, failure), failure);
  }

  @Override
  public void splitterFree(long splitter) {
    Natives.splitterFree(splitter);
  }

  @Override
  public byte[] splitterNext(long splitter) throws ChatpbException {
    byte[][] failure = noFailure();
    return checked(Natives.splitterNext(splitter, failure), failure);
  }

  /** What it keeps from one call to the next is bounded. */
  @Override
  public boolean isSmall() {
    return true;
  }

  /** A panic ends its own call alone. */
  @Override
  public boolean containsDefects() {
    return true;
  }
}
