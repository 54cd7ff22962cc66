// raft/log/identity.h: the identity of the data directory. Format:
// docs/reference/formats/identity.md.
//
// A directory is created once, explicitly, and belongs to one node of one
// cluster for good. A new store has an identity and nothing else: it takes part
// in the founding of the cluster under it. That decides the bootstrap record,
// opaque bytes, which are added to the identity once, after the replicas were
// written. A store that joins a cluster learns its id then, too. A lost
// directory cannot be created again under its old store incarnation. ReadStore
// and CreateStore lock the directory; the lock lasts as long as the Disk.
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

// Size limit of a bootstrap record; it fits into one message.
inline constexpr size_t kBootstrapRecordBytesMax = 1000 << 10;

struct StoreIdentity {
  ClusterId cluster;  // Zero: it will join one, and does not know which.
  NodeId node;
  StoreIncarnation store;
  // Empty: the store has not been founded, and holds no data.
  std::string bootstrap_record;
  // The cluster that log and snapshots name, if the directory was restored as
  // one of another cluster; else zero.
  ClusterId restored_from = {};
  ClusterId files_cluster() const {
    return restored_from == ClusterId() ? cluster : restored_from;
  }
  friend bool operator==(const StoreIdentity&, const StoreIdentity&) = default;
};

using IdentityDone = absl::AnyInvocable<void(absl::StatusOr<StoreIdentity>)>;

// Reads the identity of an existing store, which must belong to `cluster` and
// `node`. Zero: it may belong to any cluster. Each error says what to do:
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

// Creates a store in an empty directory. It draws the store incarnation, and
// writes the identity without a record. The identity is durable before `done`
// is called. Errors: kFailedPrecondition if the directory holds other files;
// kAlreadyExists if it is a store.
[[nodiscard]] std::unique_ptr<AsyncTask> CreateStore(env::Env& env,
                                                     ClusterId cluster,
                                                     NodeId node,
                                                     IdentityDone done);

// Writes the empty log of a store that has not been founded. It first removes
// every file that an interrupted founding left. Requires: the directory is
// locked; `identity` is its identity, without a record.
[[nodiscard]] std::unique_ptr<AsyncTask> CreateLog(
    env::Env& env, const StoreIdentity& identity, IdentityDone done);

// Adds the record to the identity, durably. From then on the store is founded,
// and everything in it is kept. Requires: as for CreateLog; the replicas that
// the record names are durable; it is not empty.
// kInvalidArgument if it is longer than kBootstrapRecordBytesMax.
[[nodiscard]] std::unique_ptr<AsyncTask> FoundStore(env::Env& env,
                                                    StoreIdentity identity,
                                                    std::string record,
                                                    IdentityDone done);

// Makes a copy of a directory the store of another cluster, durably. The copy
// goes on with all its data, and is no node of the cluster of its original.
// Requires: the directory is locked; `identity` is its identity, with a record;
// `cluster` is another one.
[[nodiscard]] std::unique_ptr<AsyncTask> RestoreStore(env::Env& env,
                                                      StoreIdentity identity,
                                                      ClusterId cluster,
                                                      IdentityDone done);

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_LOG_IDENTITY_H_
