#include "raft/log/starts.h"

#include <utility>

#include "absl/types/span.h"
#include "env/buffer.h"
#include "env/check.h"
#include "env/crc32c.h"
#include "env/little_endian.h"
#include "raft/log/read_attempts.h"

namespace quorate::raft {
namespace {

constexpr char kFileName[] = "starts";
constexpr char kStagingName[] = "starts.new";
constexpr uint32_t kMagic = 0x54535251;  // "QRST".
constexpr uint32_t kVersion = 1;
constexpr size_t kFileBytesMax = 1 << 20;

class Reading final : public AsyncTask {
 public:
  Reading(env::Env& env, StoreIncarnation store, StartsRead done)
      : env_(env), store_(store), done_(std::move(done)) {
    using Opened = absl::StatusOr<std::unique_ptr<env::File>>;
    pending_ = env.disk.Open(
        kFileName, env::Disk::OpenMode::kExisting, [this](Opened file) {
          if (!file.ok()) return Fail(file.status());
          file_ = *std::move(file);
          pending_ = file_->Read(0, kFileBytesMax,
                                 [this](absl::StatusOr<Buffer> bytes) {
                                   if (!bytes.ok()) return Fail(bytes.status());
                                   OnRead(bytes->view());
                                 });
        });
  }

 private:
  void OnRead(std::string_view bytes) {
    absl::StatusOr<Starts> starts = DecodeStarts(store_, bytes);
    if (!starts.ok()) return Fail(starts.status());
    Finish(std::move(starts));
  }
  void Fail(const absl::Status& why) {
    if (ReadAttempts::MayPass(why)) return Finish(why);
    if (!absl::IsNotFound(why)) {
      env_.tracer.Sometimes("raft.starts_forgotten");
      env_.tracer.Log(env::Severity::kWarning,
                      "the file 'starts' is unreadable: the starts that it "
                      "held are forgotten");
    }
    Finish(Starts());
  }
  void Finish(absl::StatusOr<Starts> result) {
    file_.reset();
    StartsRead done = std::move(done_);
    done(std::move(result));
  }

  env::Env& env_;
  const StoreIncarnation store_;
  StartsRead done_;
  std::unique_ptr<env::File> file_;
  env::Pending pending_;
};

class Writing final : public AsyncTask {
 public:
  Writing(env::Env& env, StoreIncarnation store, const Starts& starts,
          StartsWritten done)
      : env_(env),
        bytes_(Buffer::Copy(EncodeStarts(store, starts))),
        done_(std::move(done)) {
    // A crash may have left a longer one, whose end then follows the new bytes.
    using Opened = absl::StatusOr<std::unique_ptr<env::File>>;
    pending_ = env.disk.Open(kStagingName, env::Disk::OpenMode::kCreateIfAbsent,
                             [this](Opened file) {
                               if (!file.ok()) return Finish(file.status());
                               file_ = *std::move(file);
                               pending_ = file_->Write(
                                   0, absl::MakeConstSpan(&bytes_, 1),
                                   env::Durability::kDurable,
                                   [this](absl::Status status) {
                                     if (!status.ok()) return Finish(status);
                                     Commit();
                                   });
                             });
  }

 private:
  void Commit() {
    pending_ =
        env_.disk.Rename(kStagingName, kFileName, [this](absl::Status status) {
          if (!status.ok()) return Finish(status);
          pending_ = env_.disk.SyncDirectory(
              [this](absl::Status synced) { Finish(synced); });
        });
  }
  void Finish(const absl::Status& status) {
    file_.reset();
    StartsWritten done = std::move(done_);
    done(status);
  }

  env::Env& env_;
  const Buffer bytes_;
  StartsWritten done_;
  std::unique_ptr<env::File> file_;
  env::Pending pending_;
};

}  // namespace

std::string EncodeStarts(StoreIncarnation store, const Starts& starts) {
  CHECK_LE(starts.tags.size(), env::kEarlierStartsMax);
  CHECK_LE(starts.address.size(), kStartAddressBytesMax);
  CHECK_LE(starts.seen.size(), kSeenStartsMax);
  std::string body;
  AppendFixed(&body, starts.number);
  AppendFixed(&body, static_cast<uint32_t>(starts.tags.size()));
  for (const uint32_t tag : starts.tags) AppendFixed(&body, tag);
  AppendFixed(&body, static_cast<uint32_t>(starts.address.size()));
  body += starts.address;
  AppendFixed(&body, static_cast<uint32_t>(starts.seen.size()));
  for (const auto& [node, seen] : starts.seen) {
    AppendFixed(&body, node.value());
    AppendFixed(&body, seen.store.value());
    AppendFixed(&body, seen.start.number);
    AppendFixed(&body, seen.start.tag);
  }
  std::string bytes;
  AppendFixed(&bytes, kMagic);
  AppendFixed(&bytes, kVersion);
  AppendFixed(&bytes, store.value());
  AppendFixed(&bytes, static_cast<uint32_t>(body.size()));
  bytes += body;
  AppendFixed(&bytes, Crc32c(0, bytes));
  return bytes;
}

absl::StatusOr<Starts> DecodeStarts(StoreIncarnation store,
                                    std::string_view bytes) {
  const absl::Status damaged =
      absl::DataLossError("the file 'starts' is damaged");
  FixedReader file(bytes);
  const bool known = file.Take<uint32_t>() == kMagic &&
                     file.Take<uint32_t>() == kVersion &&
                     file.Take<uint64_t>() == store.value();
  FixedReader in(file.TakeBytes(file.Take<uint32_t>()));
  const size_t size = bytes.size() - file.rest().size();
  const auto checksum = file.Take<uint32_t>();
  if (!known || !file.ok() || Crc32c(0, bytes.substr(0, size)) != checksum) {
    return damaged;
  }
  Starts starts;
  starts.number = in.Take<uint64_t>();
  const auto tags = in.Take<uint32_t>();
  if (tags > env::kEarlierStartsMax) return damaged;
  for (uint32_t i = 0; i < tags; ++i)
    starts.tags.push_back(in.Take<uint32_t>());
  const auto address_size = in.Take<uint32_t>();
  if (address_size > kStartAddressBytesMax) return damaged;
  starts.address = std::string(in.TakeBytes(address_size));
  const auto count = in.Take<uint32_t>();
  if (count > kSeenStartsMax) return damaged;
  for (uint32_t i = 0; i < count && in.ok(); ++i) {
    const NodeId node(in.Take<uint32_t>());
    env::SeenStart& seen = starts.seen[node];
    seen.store = StoreIncarnation(in.Take<uint64_t>());
    seen.start.number = in.Take<uint64_t>();
    seen.start.tag = in.Take<uint32_t>();
  }
  if (!in.ok() || !in.rest().empty()) return damaged;
  return starts;
}

std::unique_ptr<AsyncTask> ReadStarts(env::Env& env, StoreIncarnation store,
                                      StartsRead done) {
  return std::make_unique<Reading>(env, store, std::move(done));
}

std::unique_ptr<AsyncTask> WriteStarts(env::Env& env, StoreIncarnation store,
                                       const Starts& starts,
                                       StartsWritten done) {
  return std::make_unique<Writing>(env, store, starts, std::move(done));
}

}  // namespace quorate::raft
