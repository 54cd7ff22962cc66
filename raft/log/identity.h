// raft/log/identity.h: whose data directory this is. Format: docs/reference/formats/identity.md.
//
// A directory is created once, explicitly, and belongs to one node of one cluster for ever. With the identity it keeps the
// bootstrap record: opaque bytes that say what was decided then. A directory that was lost cannot be created again under its
// old store incarnation. Both functions first take the directory's lock, which lasts as long as the Disk.
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

// Size of the longest bootstrap record.
inline constexpr size_t kBootstrapRecordBytesMax = 1 << 20;

struct StoreIdentity {
  ClusterId cluster;
  NodeId node;
  StoreIncarnation store;
  // The bootstrap record, as it was given to CreateStore.
  std::string bootstrap_record;
  friend bool operator==(const StoreIdentity&, const StoreIdentity&) = default;
};

using IdentityDone = absl::AnyInvocable<void(absl::StatusOr<StoreIdentity>)>;

// Reads the identity of an existing store that must be of `cluster` and `node`. Errors, each saying what to do:
//   kNotFound            the directory is empty (or its creation did not finish): it has to be created;
//   kFailedPrecondition  it belongs to another cluster, node or format version, or holds files but no identity;
//   kDataLoss            the identity file is damaged;
//   kUnavailable         another process has it locked; and whatever else the disk reports.
[[nodiscard]] std::unique_ptr<AsyncTask> ReadStore(env::Env& env,
                                                   ClusterId cluster,
                                                   NodeId node,
                                                   IdentityDone done);

// Founds a store in an empty directory: draws its incarnation, writes the empty log, and last the identity, so that an
// interrupted bootstrap is no store and may be repeated. Identity and bootstrap record become durable in one step, before `done`
// is called. A directory that holds anything else is refused (kFailedPrecondition; kAlreadyExists if it is a store already);
// kInvalidArgument: the record is longer than kBootstrapRecordBytesMax.
[[nodiscard]] std::unique_ptr<AsyncTask> CreateStore(
    env::Env& env, ClusterId cluster, NodeId node, std::string bootstrap_record,
    IdentityDone done);

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_LOG_IDENTITY_H_
