package chatpb;

/** Makes cores: machine code where the artifact chatpb-native is there, else Java classes. */
final class Cores {
  static final boolean NATIVE = Natives.load();

  /** Loaded only where it is needed. */
  private static final class Prepared {
    static final PreparedMemory MEMORY = PreparedMemory.load();
  }

  private Cores() {}

  static Core create() {
    return NATIVE ? new NativeCore() : new WasmCore(Prepared.MEMORY);
  }
}
