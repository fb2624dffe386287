package com.example.app;

import chatcompletion.v1.ChatCompletion;
import chatcompletion.v1.ChatCompletionChunk;
import chatcompletion.v1.ChatCompletionRecord;
import chatcompletion.v1.ChatCompletionStream;
import chatcompletion.v1.CreateChatCompletionRequest;
import chatcompletion.v1.ErrorResponse;
import chatpb.conformance.v1.Encoded;
import chatpb.conformance.v1.Request;
import chatpb.conformance.v1.Response;
import chatpb.conformance.v1.Rewrite;
import com.google.protobuf.Message;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.OutputStream;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Answers run.py: reads, reports, writes, builds, generates and converts messages of the contract. */
public final class Main {
  private static final Map<String, Message> DOCUMENTS =
      Stream.of(
              ChatCompletion.getDefaultInstance(),
              ChatCompletionChunk.getDefaultInstance(),
              CreateChatCompletionRequest.getDefaultInstance(),
              ErrorResponse.getDefaultInstance(),
              ChatCompletionRecord.getDefaultInstance(),
              ChatCompletionStream.getDefaultInstance())
          .collect(Collectors.toMap(m -> m.getDescriptorForType().getFullName(), Function.identity()));

  private Main() {}

  public static void main(String[] arguments) throws IOException {
    DataInputStream in = new DataInputStream(System.in);
    while (true) {
      Request request;
      try {
        byte[] frame = new byte[Integer.reverseBytes(in.readInt())];
        in.readFully(frame);
        request = Request.parseFrom(frame);
      } catch (EOFException end) {
        System.exit(0);
        return;
      }
      Response response;
      try {
        response = answer(request);
      } catch (Exception error) {
        response = Response.newBuilder().setError(error.toString()).build();
      }
      write(System.out, response.toByteArray());
    }
  }

  private static void write(OutputStream out, byte[] frame) throws IOException {
    for (int shift = 0; shift < 32; shift += 8) {
      out.write(frame.length >>> shift);
    }
    out.write(frame);
    out.flush();
  }

  private static Response answer(Request request) throws Exception {
    return switch (request.getActionCase()) {
      case REWRITE -> rewrite(request.getRewrite());
      case BUILD -> Native.build();
      case GENERATE -> Generator.generate(request.getGenerate());
      case CALL -> Service.call(request.getCall());
      case CONVERT -> Converter.convert(request.getConvert());
      default -> throw new UnsupportedOperationException("no such action");
    };
  }

  private static Response rewrite(Rewrite request) throws IOException {
    Response.Builder response = Response.newBuilder();
    for (Encoded encoded : request.getMessagesList()) {
      Message message = empty(encoded.getType()).getParserForType().parseFrom(encoded.getWire());
      if (request.getReport()) {
        response.addReports(Reporter.report(message));
      }
      response.addMessages(encoded(encoded.getName(), message));
    }
    return response.build();
  }

  static Message empty(String type) {
    return DOCUMENTS.get(type);
  }

  static Encoded encoded(String name, Message message) {
    return Encoded.newBuilder()
        .setType(message.getDescriptorForType().getFullName())
        .setName(name)
        .setWire(message.toByteString())
        .build();
  }
}
