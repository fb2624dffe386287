package chatpb;

import com.google.protobuf.DescriptorProtos.DescriptorProto;
import com.google.protobuf.DescriptorProtos.FieldDescriptorProto;
import com.google.protobuf.DescriptorProtos.FileDescriptorProto;
import com.google.protobuf.DescriptorProtos.FileDescriptorSet;
import com.google.protobuf.Descriptors.FileDescriptor;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Properties;
import java.util.Set;

/** Says of generated classes whether the contract that the core has is theirs, so that it need not compile their descriptors. */
final class Contract {
  private static final String FILE = "contract.properties";

  /** What each runtime brings in a version of its own. The mapping reads nothing of it that changes. */
  private static final String PROTOBUF = "google/";

  /** By the path of each file of the contract, the digest of its descriptor as the generated classes have it. */
  private static final class Known {
    static final Properties DIGESTS = load();
  }

  private Contract() {}

  private static Properties load() {
    Properties digests = new Properties();
    try (InputStream input = WasmCore.resource(FILE)) {
      digests.load(input);
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
    return digests;
  }

  /** Returns whether a type and all that it needs stand in these files as they stand in the contract. */
  static boolean has(Set<FileDescriptor> files) {
    return files.stream().allMatch(Contract::has);
  }

  private static boolean has(FileDescriptor file) {
    return file.getName().startsWith(PROTOBUF) || digest(file.toProto()).equals(Known.DIGESTS.get(file.getName()));
  }

  private static String digest(FileDescriptorProto file) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(file.toByteArray()));
    } catch (NoSuchAlgorithmException error) {
      throw new InternalException("every Java has SHA-256", error);
    }
  }

  /** Writes the file of the artifact into a folder, given the descriptors that the core has. */
  static void write(Path folder, Path descriptors) throws IOException {
    FileDescriptorSet set = FileDescriptorSet.parseFrom(Files.readAllBytes(descriptors));
    Properties digests = new Properties();
    for (FileDescriptorProto file : set.getFileList()) {
      digests.put(file.getName(), digest(asGenerated(file)));
    }
    try (OutputStream output = Files.newOutputStream(folder.resolve(FILE))) {
      digests.store(output, null);
    }
  }

  /** Returns a file without the names that protoc adds for its plugins, and leaves out of the classes that it makes. */
  private static FileDescriptorProto asGenerated(FileDescriptorProto file) {
    FileDescriptorProto.Builder builder = file.toBuilder().clearSourceCodeInfo();
    builder.getMessageTypeBuilderList().forEach(Contract::clearJsonNames);
    builder.getExtensionBuilderList().forEach(FieldDescriptorProto.Builder::clearJsonName);
    return builder.build();
  }

  private static void clearJsonNames(DescriptorProto.Builder message) {
    message.getFieldBuilderList().forEach(FieldDescriptorProto.Builder::clearJsonName);
    message.getExtensionBuilderList().forEach(FieldDescriptorProto.Builder::clearJsonName);
    message.getNestedTypeBuilderList().forEach(Contract::clearJsonNames);
  }
}
