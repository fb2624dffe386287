package com.example.app;

import chatpb.conformance.v1.Leaf;
import chatpb.conformance.v1.Report;
import com.google.protobuf.ByteString;
import com.google.protobuf.Descriptors.EnumValueDescriptor;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Message;
import java.util.ArrayList;
import java.util.List;

/** Reports what reflection finds in a message. */
final class Reporter {
  private final Report.Builder report = Report.newBuilder();

  static Report report(Message message) {
    Reporter reporter = new Reporter();
    reporter.walk(message, "");
    return reporter.report.build();
  }

  private void walk(Message message, String path) {
    report.addLeaves(Leaf.newBuilder().setPath(path));
    report.addAllNullMembers(members(message, "null_fields", path));
    report.addAllEmptyMembers(members(message, "empty_fields", path));
    message.getAllFields().forEach((field, value) -> {
      String at = path + "/" + field.getName();
      if (field.isMapField()) {
        FieldDescriptor key = field.getMessageType().findFieldByName("key");
        FieldDescriptor item = field.getMessageType().findFieldByName("value");
        for (Object entry : (List<?>) value) {
          Message pair = (Message) entry;
          visit(item, pair.getField(item), at + "/" + pair.getField(key));
        }
      } else if (field.isRepeated()) {
        int index = 0;
        for (Object item : (List<?>) value) {
          visit(field, item, at + "/" + index++);
        }
      } else {
        visit(field, value, at);
      }
    });
  }

  private void visit(FieldDescriptor field, Object value, String path) {
    Leaf.Builder leaf = Leaf.newBuilder().setPath(path);
    switch (field.getType()) {
      case MESSAGE -> {
        walk((Message) value, path);
        return;
      }
      case INT32, INT64 -> leaf.setInteger(((Number) value).longValue());
      case UINT64 -> leaf.setUnsigned((Long) value);
      case DOUBLE -> leaf.setNumber((Double) value);
      case BOOL -> leaf.setBoolean((Boolean) value);
      case STRING -> leaf.setText((String) value);
      case BYTES -> leaf.setData((ByteString) value);
      case ENUM -> leaf.setEnumNumber(((EnumValueDescriptor) value).getNumber());
      default -> throw new AssertionError("no such type in the contract: " + field.getType());
    }
    report.addLeaves(leaf);
  }

  /** Returns the paths of the fields whose bits are set. */
  private static List<String> members(Message message, String bits, String path) {
    List<String> names = new ArrayList<>();
    FieldDescriptor field = message.getDescriptorForType().findFieldByName(bits);
    long set = field == null ? 0 : (Long) message.getField(field);
    for (int number = 0; number < Long.SIZE; number++) {
      if ((set >>> number & 1) == 1) {
        FieldDescriptor named = message.getDescriptorForType().findFieldByNumber(number);
        names.add(path + "/" + (named == null ? String.valueOf(number) : named.getName()));
      }
    }
    return names;
  }
}
