// raft/log/identity.h: the identity of the data directory. Format:
// docs/reference/formats/identity.md.
//
// A directory is created once, explicitly, and belongs to one node of one
// cluster for good. Beside the identity it holds the bootstrap record: opaque
// bytes that say what was decided at bootstrap. A lost directory cannot be
// created again under its old store incarnation. Both functions first lock the
// directory; the lock lasts as long as the Disk.
#ifndef QUORATE_RAFT_LOG_IDENTITY_H_
#define QUORATE_RAFT_LOG_IDENTITY_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "env/env.h"
#include "env/ids.h"
#include "raft/log/async_task.h"

namespace quorate::raft {

// Size limit of a bootstrap record.
inline constexpr size_t kBootstrapRecordBytesMax = 1 << 20;

struct StoreIdentity {
  ClusterId cluster;
  NodeId node;
  StoreIncarnation store;
  // The bootstrap record that was given to CreateStore.
  std::string bootstrap_record;
  friend bool operator==(const StoreIdentity&, const StoreIdentity&) = default;
};

using IdentityDone = absl::AnyInvocable<void(absl::StatusOr<StoreIdentity>)>;

// Reads the identity of an existing store, which must belong to `cluster` and
// `node`. Each error says what to do:
// - kNotFound: the directory is empty, or its creation did not finish;
// - kFailedPrecondition: it belongs to another cluster, node or format version,
//   or holds files but no identity;
// - kDataLoss: the identity file is damaged;
// - kUnavailable: another process has locked it;
// - any other error of the disk.
[[nodiscard]] std::unique_ptr<AsyncTask> ReadStore(env::Env& env,
                                                   ClusterId cluster,
                                                   NodeId node,
                                                   IdentityDone done);

// Creates a store in an empty directory. It draws the store incarnation, writes
// the empty log and writes the identity last, so an interrupted bootstrap
// leaves no store and may be repeated. Identity and bootstrap record become
// durable in one step, before `done` is called. Errors: kFailedPrecondition if
// the directory holds other files; kAlreadyExists if it is a store;
// kInvalidArgument if the record is longer than kBootstrapRecordBytesMax.
[[nodiscard]] std::unique_ptr<AsyncTask> CreateStore(
    env::Env& env, ClusterId cluster, NodeId node, std::string bootstrap_record,
    IdentityDone done);

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_LOG_IDENTITY_H_
