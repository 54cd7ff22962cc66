// raft/host/admission.h: how a store that is in no cluster comes into one.
//
// A new store asks the seeds, one after another and again and again, until one
// of them admits or refuses it. The node that is asked calls
// HostOptions::admit. Used only by the host.
#ifndef QUORATE_RAFT_HOST_ADMISSION_H_
#define QUORATE_RAFT_HOST_ADMISSION_H_

#include <cstddef>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "env/buffer.h"
#include "env/env.h"
#include "env/ids.h"
#include "raft/host/bootstrap_record.h"
#include "raft/host/host_types.h"

namespace quorate::raft {

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
