// raft/host/admission.h: how a store that is in no cluster comes into one.
//
// A new store asks the seeds, one after another and again and again, until one
// of them admits or refuses it. The node that is asked calls
// HostOptions::admit. Used only by the host.
#ifndef QUORATE_RAFT_HOST_ADMISSION_H_
#define QUORATE_RAFT_HOST_ADMISSION_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "env/buffer.h"
#include "env/env.h"
#include "env/ids.h"
#include "raft/host/bootstrap_record.h"
#include "raft/host/host_types.h"

namespace quorate::raft {

// ---- Messages. Layout: docs/reference/formats/transport.md.

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

// ---- The conversation

class StoreAdmission {
 public:
  struct Admitted {
    ClusterId cluster;
    BootstrapRecord record;  // BootstrapRecord::joined().
  };
  // kFailedPrecondition: a node refuses the store, or it is of another cluster
  // than HostOptions::cluster.
  using Done = absl::AnyInvocable<void(absl::StatusOr<Admitted>)>;

  // Both outlive the object.
  StoreAdmission(env::Env& env, const HostOptions& options)
      : env_(env), options_(options) {}

  // Asks until `done` is called. Requires: `store` is durable; the transport
  // has not started.
  void Begin(StoreIncarnation store, Done done);

 private:
  void Ask();
  void OnAnswer(absl::StatusOr<Buffer> bytes);
  // No seed has decided: the next one is asked, after a pause.
  void AskLater(const absl::Status& why);
  void Finish(absl::StatusOr<Admitted> result);

  env::Env& env_;
  const HostOptions& options_;
  StoreIncarnation store_;
  Done done_;
  size_t seed_ = 0;
  int asks_ = 0;  // So many answers in a row came from this seed.
  Duration pause_{0};
  MonoTime log_at_{0};
  env::Pending call_;
  env::Pending timer_;
};

// The answer to a request that came from `node` and its new store. Empty: the
// request is malformed. `record` is what an admitted store gets, to which the
// call adds the welcome; null: this node has none yet.
Buffer AnswerAdmission(const HostOptions& options, NodeId node,
                       StoreIncarnation store, const Buffer& request,
                       BootstrapRecord* record);

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_HOST_ADMISSION_H_
