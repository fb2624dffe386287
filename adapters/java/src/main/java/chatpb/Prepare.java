package chatpb;

import java.nio.file.Path;

/** Writes the files that the artifact has beside its classes: what a start would take long to compute. The build calls it. */
final class Prepare {
  private Prepare() {}

  /** Takes the folder for the files, and the contract's descriptors that the core has. */
  public static void main(String[] arguments) throws Exception {
    Path folder = Path.of(arguments[0]);
    PreparedMemory.write(folder);
    Contract.write(folder, Path.of(arguments[1]));
  }
}
