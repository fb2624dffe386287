package com.example.app;

import chatpb.conformance.v1.Generate;
import chatpb.conformance.v1.Response;
import com.google.protobuf.ByteString;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Message;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Comparator;
import java.util.List;

/** Makes messages from pseudo-random numbers, by the rules of generated.py. */
final class Generator {
  private static final List<String> WORDS =
      List.of("0", "\"\"", "\"h\u00e9 \ud83d\ude00\"", "18446744073709551616", "{\"z\":1,\"a\":[null]}", "true", "1e400",
          "\"\\" + "ud83d\"");

  private long state;

  private Generator(long state) {
    this.state = state;
  }

  static Response generate(Generate request) {
    Response.Builder response = Response.newBuilder();
    for (long i = request.getFirst(); i < request.getFirst() + request.getCount(); i++) {
      Message.Builder message = Main.empty(request.getTypes((int) (i % request.getTypesCount()))).newBuilderForType();
      new Generator(request.getSeed() + i).fill(message, 0);
      response.addMessages(Main.encoded(String.valueOf(i), message.build()));
    }
    return response.build();
  }

  private long next() {
    state += 0x9E3779B97F4A7C15L;
    long mixed = state;
    mixed = (mixed ^ mixed >>> 30) * 0xBF58476D1CE4E5B9L;
    mixed = (mixed ^ mixed >>> 27) * 0x94D049BB133111EBL;
    return mixed ^ mixed >>> 31;
  }

  private int below(int count) {
    return (int) (next() >>> 33) % count;
  }

  private void fill(Message.Builder message, int depth) {
    List<FieldDescriptor> fields = message.getDescriptorForType().getFields().stream()
        .sorted(Comparator.comparing(FieldDescriptor::getNumber))
        .toList();
    switch (message.getDescriptorForType().getFullName()) {
      case "google.protobuf.Value" -> put(message, fields.get(below(depth >= 8 ? 4 : 6)), 1, depth);
      case "google.protobuf.Struct", "google.protobuf.ListValue" -> put(message, fields.get(0), below(3), depth);
      default -> {
        for (FieldDescriptor field : fields) {
          if (below(2) == 1 && (depth < 6 || !holdsMessages(field))) {
            put(message, field, field.isRepeated() ? 1 + below(2) : 1, depth);
          }
        }
      }
    }
  }

  private static boolean holdsMessages(FieldDescriptor field) {
    FieldDescriptor item = field.isMapField() ? field.getMessageType().findFieldByName("value") : field;
    return item.getJavaType() == FieldDescriptor.JavaType.MESSAGE;
  }

  private void put(Message.Builder message, FieldDescriptor field, int count, int depth) {
    if (field.isMapField()) {
      FieldDescriptor key = field.getMessageType().findFieldByName("key");
      FieldDescriptor item = field.getMessageType().findFieldByName("value");
      for (int i = 0; i < count; i++) {
        Message.Builder entry = message.newBuilderForField(field).setField(key, "k" + i);
        message.addRepeatedField(field, entry.setField(item, value(entry, item, depth)).build());
      }
    } else if (field.isRepeated()) {
      for (int i = 0; i < count; i++) {
        message.addRepeatedField(field, value(message, field, depth));
      }
    } else {
      message.setField(field, value(message, field, depth));
    }
  }

  private Object value(Message.Builder holder, FieldDescriptor field, int depth) {
    switch (field.getType()) {
      case MESSAGE -> {
        Message.Builder inner = holder.newBuilderForField(field);
        fill(inner, depth + 1);
        return inner.build();
      }
      case BOOL -> {
        return below(2) == 1;
      }
      case ENUM -> {
        return field.getEnumType().getValues().get(below(field.getEnumType().getValues().size()));
      }
      case STRING -> {
        return WORDS.get(below(WORDS.size()));
      }
      default -> {
        long number = next();
        return switch (field.getType()) {
          case INT32 -> (Object) ((int) (number >>> 32) >> below(32));
          case INT64 -> number >> below(64);
          case UINT64 -> number >>> below(64);
          case DOUBLE -> Double.longBitsToDouble(number & ~(1L << 62));
          case BYTES -> {
            byte[] bytes = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(number).array();
            yield ByteString.copyFrom(bytes, 0, below(9));
          }
          default -> throw new AssertionError("no such type in the contract: " + field.getType());
        };
      }
    }
  }
}
