// raft/host/admission_message.h: what a store that is in no cluster asks a node
// of one, and the answer. Layout: docs/reference/formats/transport.md. Pure.
#ifndef QUORATE_RAFT_HOST_ADMISSION_MESSAGE_H_
#define QUORATE_RAFT_HOST_ADMISSION_MESSAGE_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "env/buffer.h"
#include "env/ids.h"

namespace quorate::raft {

// The version of both messages.
inline constexpr uint8_t kAdmissionVersion = 1;
// Size limits of a token and of an address.
inline constexpr size_t kJoinTokenBytesMax = 1024;
inline constexpr size_t kJoinAddressBytesMax = 512;

struct AdmissionRequest {
  // Where the node of the store will listen for other nodes.
  std::string address;
  std::string token;
};

struct AdmissionAnswer {
  enum class Kind : uint8_t {
    kAdmitted = 1,
    kRefused = 2,
    // Another node, or this one a little later, may know more.
    kLater = 3,
  };
  Kind kind = Kind::kLater;
  ClusterId cluster;   // Zero unless kAdmitted.
  std::string record;  // EncodeBootstrapRecord, without a plan; kAdmitted only.
  std::string why;     // The reason of the other kinds, in words.
};

// Require: the texts are within their limits.
Buffer EncodeAdmissionRequest(const AdmissionRequest& request);
Buffer EncodeAdmissionAnswer(const AdmissionAnswer& answer);
// kDataLoss: a wrong checksum; kInvalidArgument: other malformed bytes, and
// versions and kinds that this program does not know.
absl::StatusOr<AdmissionRequest> DecodeAdmissionRequest(const Buffer& bytes);
absl::StatusOr<AdmissionAnswer> DecodeAdmissionAnswer(const Buffer& bytes);

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_HOST_ADMISSION_MESSAGE_H_
