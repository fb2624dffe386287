package chatpb;

/** Makes cores. */
final class Cores {
  private static final class Prepared {
    static final PreparedMemory MEMORY = PreparedMemory.load();
  }

  private Cores() {}

  static Core create() {
    return new WasmCore(Prepared.MEMORY);
  }
}
