#include "raft/host/founding.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "env/crc32c.h"
#include "env/little_endian.h"

namespace quorate::raft {
namespace {

// Service, checksum, version, kind, asker.
constexpr size_t kPrefixBytes = kChecksumEnd + 1 + 1 + 8;

}  // namespace

Buffer EncodeFounding(const MessageLink& link, const FoundingMessage& message) {
  std::string body;
  AppendFixed(&body, kFoundingVersion);
  AppendFixed(&body, static_cast<uint8_t>(message.kind));
  AppendFixed(&body, message.asker.value());
  body += message.record.view();
  std::string out;
  AppendFixed(&out, static_cast<uint8_t>(Service::kFounding));
  AppendFixed(&out, Crc32c(ChecksumSeed(link, Service::kFounding), body));
  return Buffer::Copy(out + body);
}

absl::StatusOr<FoundingMessage> DecodeFounding(const MessageLink& link,
                                               const Buffer& bytes) {
  if (bytes.size() < kPrefixBytes || !IsFor(Service::kFounding, bytes.view())) {
    return absl::InvalidArgumentError("not a message of a founding");
  }
  if (Crc32c(ChecksumSeed(link, Service::kFounding),
             bytes.view().substr(kChecksumEnd)) !=
      LoadFixed<uint32_t>(bytes.view(), kServiceBytes)) {
    return absl::DataLossError("the checksum of a founding does not match");
  }
  FixedReader reader(bytes.view().substr(kChecksumEnd));
  const auto version = reader.Take<uint8_t>();
  const auto kind = reader.Take<uint8_t>();
  using Kind = FoundingMessage::Kind;
  FoundingMessage message{
      .kind = static_cast<Kind>(kind),
      .asker = StoreIncarnation(reader.Take<uint64_t>()),
      .record = bytes.Slice(kPrefixBytes, bytes.size() - kPrefixBytes)};
  if (version != kFoundingVersion || kind < static_cast<uint8_t>(Kind::kAsk) ||
      kind > static_cast<uint8_t>(Kind::kNoPart) ||
      (message.kind == Kind::kAsk) != (message.asker == StoreIncarnation()) ||
      (message.kind == Kind::kRecord) == message.record.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("a founding of version ", version, " and kind ", kind,
                     " with ", message.record.size(), " bytes of a record"));
  }
  return message;
}
namespace {

// Pauses between two rounds of questions, doubled from the first to the last.
constexpr Duration kPauseMin = Milliseconds(50);
constexpr Duration kPauseMax = Milliseconds(1000);
constexpr Duration kLogInterval = Seconds(10);

using Kind = FoundingMessage::Kind;

}  // namespace

void Founding::Begin(const BootstrapPlan& plan, StoreIncarnation store,
                     Done done) {
  plan_ = plan;
  nodes_ = plan.Nodes();
  store_ = store;
  done_ = std::move(done);
  pause_ = kPauseMin;
  log_at_ = env_.loop.ReadClock().mono + kPauseMax;
  Ask();
}

void Founding::Answer(const BootstrapRecord& record) {
  record_ = {.stores = record.stores};
  record_bytes_ = Buffer::Copy(EncodeBootstrapRecord(record));
}

void Founding::Ask() {
  const MonoTime now = env_.loop.ReadClock().mono;
  if (now >= log_at_) {
    log_at_ = now + kLogInterval;
    env_.tracer.Log(
        env::Severity::kInfo,
        absl::StrCat("founding the cluster: waiting for ", WaitsFor()));
  }
  for (const NodeId peer : peers_) Send(peer, {.kind = Kind::kAsk});
  timer_ = env_.loop.At(now + pause_, [this] { Ask(); });
  pause_ = std::min(pause_ * 2, kPauseMax);
  ComposeIfComplete();  // There may be no other node.
}

std::string Founding::WaitsFor() const {
  if (!founder()) return absl::StrCat("node ", nodes_.front().value());
  std::string text;
  for (const NodeId node : nodes_) {
    if (node == self_ || unfounded_.contains(node)) continue;
    absl::StrAppend(&text, text.empty() ? "node " : ", ", node.value());
  }
  return text;
}

void Founding::OnMessage(NodeId from, StoreIncarnation store,
                         const Buffer& bytes) {
  const absl::StatusOr<FoundingMessage> message =
      DecodeFounding({.cluster = cluster_, .from = from, .to = self_}, bytes);
  if (!message.ok()) {
    env_.tracer.Sometimes("raft.bad_founding_message");
    return;
  }
  if (message->kind != Kind::kAsk) return OnAnswer(from, store, *message);
  if (asks() || !record_bytes_.empty()) Send(from, AnswerTo(from, store));
}

// A node without a replica has no part that could be lost: it gets the record
// under any store.
FoundingMessage Founding::AnswerTo(NodeId from, StoreIncarnation store) const {
  if (asks()) return {.kind = Kind::kUnfounded, .asker = store};
  const StoreIncarnation member = record_.StoreOn(from);
  if (member != StoreIncarnation() && member != store) {
    return {.kind = Kind::kNoPart, .asker = store};
  }
  return {.kind = Kind::kRecord, .asker = store, .record = record_bytes_};
}

void Founding::OnAnswer(NodeId from, StoreIncarnation store,
                        const FoundingMessage& message) {
  if (!asks() || message.asker != store_) return;
  switch (message.kind) {
    case Kind::kAsk:
      break;
    case Kind::kUnfounded:
      unfounded_[from] = store;
      ComposeIfComplete();
      break;
    case Kind::kRecord:
      OnRecord(message.record);
      break;
    case Kind::kNoPart:
      env_.tracer.Sometimes("raft.no_part_for_a_store");
      Finish(absl::FailedPreconditionError(absl::StrCat(
          "the cluster exists: node ", from.value(),
          " says that it was founded with another data directory of node ",
          self_.value())));
      break;
  }
}

void Founding::OnClusterExists(const std::string& story) {
  if (!asks()) return;
  Finish(absl::FailedPreconditionError(
      absl::StrCat("the cluster exists, and was not founded with this data "
                   "directory: ",
                   story)));
}

// The sender has checked that the record gives this store its part. This store
// checks it as well, since the record decides what is written here.
void Founding::OnRecord(const Buffer& bytes) {
  absl::StatusOr<BootstrapRecord> record = DecodeBootstrapRecord(bytes.view());
  if (!record.ok() || record->plan != plan_ ||
      (std::binary_search(nodes_.begin(), nodes_.end(), self_) &&
       record->StoreOn(self_) != store_)) {
    env_.tracer.Sometimes("raft.bad_founding_message");
    return;
  }
  env_.tracer.Sometimes("raft.record_received");
  Finish(*std::move(record));
}

void Founding::ComposeIfComplete() {
  if (!asks() || !founder()) return;
  BootstrapRecord record{.plan = plan_, .level = level_};
  for (const NodeId node : nodes_) {
    const auto answer = unfounded_.find(node);
    if (node != self_ && answer == unfounded_.end()) return;
    record.stores.push_back({node, node == self_ ? store_ : answer->second});
  }
  record.lease_length = lease_length_;
  record.hash_key = env_.secrets.Bits("raft.hash_key", store_.value(), 0);
  Finish(std::move(record));
}

void Founding::Send(NodeId to, const FoundingMessage& message) {
  const Buffer bytes =
      EncodeFounding({.cluster = cluster_, .from = self_, .to = to}, message);
  env_.transport.Send(to, env::Lane::kControl, absl::MakeConstSpan(&bytes, 1));
}

void Founding::Finish(absl::StatusOr<BootstrapRecord> result) {
  timer_ = env::Pending();
  plan_ = {};
  std::vector<NodeId>().swap(nodes_);
  Done done = std::exchange(done_, nullptr);
  done(std::move(result));
}

}  // namespace quorate::raft
