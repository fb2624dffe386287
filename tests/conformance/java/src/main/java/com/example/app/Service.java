package com.example.app;

import chatcompletion.v1.ChatCompletionChunk;
import chatcompletion.v1.ChatCompletionServiceGrpc.ChatCompletionServiceBlockingStub;
import chatcompletion.v1.ChatCompletionServiceGrpc;
import chatcompletion.v1.CreateChatCompletionRequest;
import chatcompletion.v1.ErrorResponse;
import chatpb.conformance.v1.Call;
import chatpb.conformance.v1.Response;
import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.grpc.Context;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** Calls the gRPC service. */
final class Service {
  private Service() {}

  static Response call(Call request) throws Exception {
    ManagedChannel channel =
        Grpc.newChannelBuilder(request.getAddress(), InsecureChannelCredentials.create()).build();
    try {
      ChatCompletionServiceBlockingStub client = ChatCompletionServiceGrpc.newBlockingStub(channel);
      return call(request, client, CreateChatCompletionRequest.parseFrom(request.getRequest()));
    } finally {
      channel.shutdownNow();
    }
  }

  private static Response call(
      Call request, ChatCompletionServiceBlockingStub stub, CreateChatCompletionRequest body) throws Exception {
    ChatCompletionServiceBlockingStub client = stub.withDeadlineAfter(30, TimeUnit.SECONDS);
    Response.Builder response = Response.newBuilder();
    switch (request.getScenario()) {
      case SCENARIO_UNARY -> response.addMessages(Main.encoded("", client.createChatCompletion(body)));
      case SCENARIO_STREAM ->
          client.streamChatCompletion(body)
              .forEachRemaining(chunk -> response.addMessages(Main.encoded("", chunk)));
      case SCENARIO_CANCEL -> {
        Context.CancellableContext context = Context.current().withCancellation();
        context.call(() -> {
          Iterator<ChatCompletionChunk> chunks = client.streamChatCompletion(body);
          return response.addMessages(Main.encoded("", chunks.next()));
        });
        context.cancel(null);
      }
      case SCENARIO_DEADLINE -> {
        try {
          stub.withDeadlineAfter(500, TimeUnit.MILLISECONDS).streamChatCompletion(body).forEachRemaining(chunk -> {});
        } catch (StatusRuntimeException refused) {
          response.addLines(String.valueOf(refused.getStatus().getCode().value()));
        }
      }
      case SCENARIO_ERROR -> response.addAllLines(refusal(client, body));
      default -> throw new UnsupportedOperationException("no such scenario");
    }
    return response.build();
  }

  private static List<String> refusal(ChatCompletionServiceBlockingStub client, CreateChatCompletionRequest body)
      throws InvalidProtocolBufferException {
    List<String> lines = new ArrayList<>();
    // docs: call
    try {
      client.createChatCompletion(body);
    } catch (StatusRuntimeException refused) {
      lines.add(String.valueOf(refused.getStatus().getCode().value()));
      for (Any detail : StatusProto.fromThrowable(refused).getDetailsList()) {
        if (detail.is(ErrorInfo.class)) {
          lines.add(detail.unpack(ErrorInfo.class).getMetadataOrThrow("http_status"));
        } else if (detail.is(RetryInfo.class)) {
          lines.add(String.valueOf(detail.unpack(RetryInfo.class).getRetryDelay().getSeconds()));
        } else if (detail.is(ErrorResponse.class)) {
          ErrorResponse error = detail.unpack(ErrorResponse.class);
          lines.add(error.getError().getMessage());
          lines.add(error.getError().getCodeText());
        }
      }
    }
    // docs: end
    return lines;
  }
}
