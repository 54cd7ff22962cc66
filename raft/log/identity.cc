#include "raft/log/identity.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "env/crc32c.h"
#include "raft/log/identity_format.h"
#include "raft/log/segment_opener.h"

namespace quorate::raft {
namespace {

constexpr char kLockName[] = "lock";
constexpr char kIdentityName[] = "identity";
constexpr char kStagingName[] = "identity.new";
// One byte more than the largest valid identity file: a longer file is damaged.
constexpr size_t kIdentityReadBytes =
    kIdentityFixedBytes + kBootstrapRecordBytesMax + 1;
constexpr size_t kOpeningWriteBytes = 4096;

// The steps that all operations on a store share.
class StoreOperation : public AsyncTask {
 protected:
  using Names = std::vector<std::string>;

  StoreOperation(env::Env& env, IdentityDone done)
      : env_(env), done_(std::move(done)) {}

  void LockAndList() {
    pending_ = env_.disk.Lock(kLockName, [this](absl::Status status) {
      if (!status.ok()) return Finish(status);
      List();
    });
  }
  void List() {
    pending_ = env_.disk.List([this](absl::StatusOr<Names> names) {
      if (!names.ok()) return Finish(names.status());
      OnListed(*names);
    });
  }
  virtual void OnListed(const Names& names) = 0;

  // Removes the files, then syncs the directory. They are removed, not
  // overwritten, so that no byte of them can be read later.
  void RemoveAll(Names names) {
    leftovers_ = std::move(names);
    RemoveNext();
  }
  virtual void OnRemoved() {}

  // Replaces the identity by this one, in one step.
  void Write(const StoreIdentity& identity) {
    identity_ = identity;
    pending_ = env_.disk.Open(
        kStagingName, env::Disk::OpenMode::kCreate,
        [this](absl::StatusOr<std::unique_ptr<env::File>> file) {
          if (!file.ok()) return Finish(file.status());
          file_ = *std::move(file);
          const Buffer bytes = Buffer::Copy(EncodeIdentity(identity_));
          pending_ = file_->Write(0, absl::MakeConstSpan(&bytes, 1),
                                  env::Durability::kDurable,
                                  [this](absl::Status status) {
                                    if (!status.ok()) return Finish(status);
                                    Commit();
                                  });
        });
  }

  void Finish(absl::StatusOr<StoreIdentity> result) {
    file_.reset();
    IdentityDone done = std::move(done_);
    done(std::move(result));
  }

  env::Env& env_;
  env::Pending pending_;
  std::unique_ptr<env::File> file_;

 private:
  void RemoveNext() {
    if (leftovers_.empty()) {
      pending_ = env_.disk.SyncDirectory([this](absl::Status status) {
        if (!status.ok()) return Finish(status);
        OnRemoved();
      });
      return;
    }
    const std::string name = std::move(leftovers_.back());
    leftovers_.pop_back();
    pending_ = env_.disk.Remove(name, [this](absl::Status status) {
      if (!status.ok()) return Finish(status);
      RemoveNext();
    });
  }

  void Commit() {
    pending_ = env_.disk.Rename(
        kStagingName, kIdentityName, [this](absl::Status renamed) {
          if (!renamed.ok()) return Finish(renamed);
          pending_ = env_.disk.SyncDirectory([this](absl::Status synced) {
            if (!synced.ok()) return Finish(synced);
            Finish(identity_);
          });
        });
  }

  IdentityDone done_;
  StoreIdentity identity_;
  Names leftovers_;
};

class Reading final : public StoreOperation {
 public:
  Reading(env::Env& env, ClusterId cluster, NodeId node, IdentityDone done)
      : StoreOperation(env, std::move(done)), cluster_(cluster), node_(node) {
    LockAndList();
  }

 private:
  void OnListed(const Names& names) override {
    bool foreign = false;
    for (const std::string& name : names) {
      if (name == kIdentityName) return Open();
      foreign |= name != kLockName && name != kStagingName;
    }
    if (foreign) {
      return Finish(absl::FailedPreconditionError(
          "the data directory holds files but no identity file: it is not a "
          "store, or it was damaged; correct the path, or restore the file "
          "'identity' from a copy of this very directory"));
    }
    Finish(absl::NotFoundError(
        "the data directory is empty: correct its path if this node has run "
        "before, bootstrap it if this is a node of a new cluster"));
  }

  void Open() {
    pending_ = env_.disk.Open(
        kIdentityName, env::Disk::OpenMode::kExisting,
        [this](absl::StatusOr<std::unique_ptr<env::File>> file) {
          if (!file.ok()) return Finish(file.status());
          file_ = *std::move(file);
          pending_ = file_->Read(0, kIdentityReadBytes,
                                 [this](absl::StatusOr<Buffer> bytes) {
                                   if (!bytes.ok()) {
                                     return Finish(bytes.status());
                                   }
                                   OnRead(bytes->view());
                                 });
        });
  }

  void OnRead(std::string_view bytes) {
    const auto identity = DecodeIdentity(bytes);
    if (!identity.ok()) return Finish(identity.status());
    const bool any =
        cluster_ == ClusterId() || identity->cluster == ClusterId();
    if (!any && identity->cluster != cluster_) {
      return Finish(absl::FailedPreconditionError(absl::StrCat(
          "the data directory belongs to cluster ", identity->cluster.value(),
          ", this node is configured for cluster ", cluster_.value(),
          ": correct the configuration or the path")));
    }
    if (identity->node != node_) {
      return Finish(absl::FailedPreconditionError(absl::StrCat(
          "the data directory belongs to node ", identity->node.value(),
          ", this is node ", node_.value(),
          ": correct the configuration or the path. A copy of another node's "
          "directory cannot replace a lost one")));
    }
    Finish(*identity);
  }

  const ClusterId cluster_;
  const NodeId node_;
};

class StoreCreation final : public StoreOperation {
 public:
  StoreCreation(env::Env& env, ClusterId cluster, NodeId node,
                IdentityDone done)
      : StoreOperation(env, std::move(done)) {
    uint64_t store = env.random.Bits("raft.store_incarnation", node.value(), 0);
    if (store == 0) store = 1;  // Zero means no store.
    created_ = {
        .cluster = cluster, .node = node, .store = StoreIncarnation(store)};
    LockAndList();
  }

 private:
  void OnListed(const Names& names) override {
    Names leftovers;
    for (const std::string& name : names) {
      if (name == kIdentityName) {
        return Finish(absl::AlreadyExistsError(
            "the data directory is a store already; start it without "
            "bootstrapping"));
      }
      if (name == kStagingName) {
        leftovers.push_back(name);
      } else if (name != kLockName) {
        return Finish(absl::FailedPreconditionError(
            absl::StrCat("the data directory is not empty (it holds '", name,
                         "'): choose an empty one to bootstrap")));
      }
    }
    RemoveAll(std::move(leftovers));
  }
  void OnRemoved() override { Write(created_); }

  StoreIdentity created_;
};

class LogCreation final : public StoreOperation {
 public:
  LogCreation(env::Env& env, const StoreIdentity& identity, IdentityDone done)
      : StoreOperation(env, std::move(done)), identity_(identity) {
    CHECK(identity.bootstrap_record.empty());
    List();
  }

 private:
  void OnListed(const Names& names) override {
    Names leftovers;
    for (const std::string& name : names) {
      if (name != kLockName && name != kIdentityName) leftovers.push_back(name);
    }
    RemoveAll(std::move(leftovers));
  }

  void OnRemoved() override {
    SegmentOpening opening;
    opening.header = {identity_.cluster, identity_.store, 1, {}};
    opening.write_number = 1;
    opener_ = std::make_unique<SegmentOpener>(
        env_.disk, opening, kOpeningWriteBytes, std::string(),
        [this](absl::StatusOr<SegmentOpener::Opened> opened) {
          if (!opened.ok()) return Finish(opened.status());
          Finish(identity_);
        });
  }

  const StoreIdentity identity_;
  std::unique_ptr<SegmentOpener> opener_;
};

// Replaces the identity of a store by a later one.
class Replacement final : public StoreOperation {
 public:
  Replacement(env::Env& env, StoreIdentity identity, IdentityDone done)
      : StoreOperation(env, std::move(done)), next_(std::move(identity)) {
    CHECK(!next_.bootstrap_record.empty());
    // An interrupted one may have left a staging file.
    List();
  }

 private:
  void OnListed(const Names& names) override {
    if (next_.bootstrap_record.size() > kBootstrapRecordBytesMax) {
      return Finish(absl::InvalidArgumentError(absl::StrCat(
          "the bootstrap record has ", next_.bootstrap_record.size(),
          " bytes, at most ", kBootstrapRecordBytesMax,
          " are possible: bootstrap with fewer groups and slot ranges")));
    }
    for (const std::string& name : names) {
      if (name == kStagingName) return RemoveAll({name});
    }
    Write(next_);
  }
  void OnRemoved() override { Write(next_); }

  const StoreIdentity next_;
};

}  // namespace

std::unique_ptr<AsyncTask> ReadStore(env::Env& env, ClusterId cluster,
                                     NodeId node, IdentityDone done) {
  return std::make_unique<Reading>(env, cluster, node, std::move(done));
}

std::unique_ptr<AsyncTask> CreateStore(env::Env& env, ClusterId cluster,
                                       NodeId node, IdentityDone done) {
  return std::make_unique<StoreCreation>(env, cluster, node, std::move(done));
}

std::unique_ptr<AsyncTask> CreateLog(env::Env& env,
                                     const StoreIdentity& identity,
                                     IdentityDone done) {
  return std::make_unique<LogCreation>(env, identity, std::move(done));
}

std::unique_ptr<AsyncTask> FoundStore(env::Env& env, StoreIdentity identity,
                                      std::string record, IdentityDone done) {
  CHECK(identity.bootstrap_record.empty());
  identity.bootstrap_record = std::move(record);
  return std::make_unique<Replacement>(env, std::move(identity),
                                       std::move(done));
}

std::unique_ptr<AsyncTask> RestoreStore(env::Env& env, StoreIdentity identity,
                                        ClusterId cluster, IdentityDone done) {
  CHECK(cluster != identity.cluster && cluster != ClusterId());
  identity.restored_from = identity.files_cluster();
  identity.cluster = cluster;
  return std::make_unique<Replacement>(env, std::move(identity),
                                       std::move(done));
}

}  // namespace quorate::raft
