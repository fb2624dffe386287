// chatpb for C++17: OpenAI-style chat completions in Protocol Buffers and back to JSON, losing nothing. Without any
// runtime of protobuf; chatpb/messages.hpp has the functions for messages of google::protobuf.
#ifndef CHATPB_CHATPB_HPP
#define CHATPB_CHATPB_HPP

#include "codec.hpp"    // IWYU pragma: export
#include "errors.hpp"   // IWYU pragma: export
#include "options.hpp"  // IWYU pragma: export
#include "sse.hpp"      // IWYU pragma: export
#include "streams.hpp"  // IWYU pragma: export

#endif
