#include "raft/log/end_mark.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "env/crc32c.h"
#include "env/little_endian.h"

namespace quorate::raft {
namespace {

constexpr std::string_view kMagic = "quoratWE";
constexpr uint32_t kVersion = 1;

uint32_t Checksum(ClusterId cluster, StoreIncarnation store,
                  std::string_view bytes) {
  return Crc32c(Crc32cSeed(cluster.value(), store.value(), 0),
                bytes.substr(0, kEndMarkBytes - sizeof(uint32_t)));
}

}  // namespace

std::string EncodeEndMark(ClusterId cluster, StoreIncarnation store,
                          SegmentOffset end) {
  std::string out(kMagic);
  AppendFixed(&out, kVersion);
  AppendFixed<uint64_t>(&out, end.segment);
  AppendFixed<uint64_t>(&out, end.offset);
  AppendFixed(&out, Checksum(cluster, store, out));
  CHECK_EQ(out.size(), kEndMarkBytes);
  return out;
}

absl::StatusOr<SegmentOffset> DecodeEndMark(ClusterId cluster,
                                            StoreIncarnation store,
                                            std::string_view bytes) {
  if (bytes.find_first_not_of('\0') == std::string_view::npos) {
    return SegmentOffset{};
  }
  if (bytes.size() != kEndMarkBytes ||
      bytes.substr(0, kMagic.size()) != kMagic ||
      LoadFixed<uint32_t>(bytes, 8) != kVersion ||
      LoadFixed<uint32_t>(bytes, kEndMarkBytes - sizeof(uint32_t)) !=
          Checksum(cluster, store, bytes)) {
    return absl::DataLossError("it does not verify");
  }
  return SegmentOffset{LoadFixed<uint64_t>(bytes, 12),
                       LoadFixed<uint64_t>(bytes, 20)};
}

EndMarkWriter::EndMarkWriter(env::Env& env, ClusterId cluster,
                             StoreIncarnation store, Duration delay,
                             env::Callback idle)
    : disk_(env.disk),
      loop_(env.loop),
      tracer_(env.tracer),
      cluster_(cluster),
      store_(store),
      delay_(delay),
      idle_(std::move(idle)) {}

void EndMarkWriter::Note(SegmentOffset end) {
  CHECK_LE(noted_.segment, end.segment);
  noted_ = end;
  if (timer_set_ || given_up_) return;
  timer_set_ = true;
  timer_ = loop_.At(loop_.ReadClock().mono + delay_, [this] { Write(); });
}

void EndMarkWriter::Write() {
  timer_set_ = false;
  timer_ = env::Pending();
  if (given_up_ || noted_ == written_) return;
  if (writing_) {
    again_ = true;
    return;
  }
  writing_ = true;
  if (file_ != nullptr) return WriteNoted();
  pending_ =
      disk_.Open(kEndMarkName, env::Disk::OpenMode::kExisting,
                 [this](absl::StatusOr<std::unique_ptr<env::File>> file) {
                   OnOpened(std::move(file));
                 });
}

void EndMarkWriter::OnOpened(absl::StatusOr<std::unique_ptr<env::File>> file) {
  if (!file.ok()) return GiveUp(file.status());
  file_ = *std::move(file);
  WriteNoted();
}

void EndMarkWriter::WriteNoted() {
  written_ = noted_;
  const Buffer bytes = Buffer::Take(EncodeEndMark(cluster_, store_, noted_));
  pending_ = file_->Write(0, {&bytes, 1}, env::Durability::kDurable,
                          [this](absl::Status status) { OnWritten(status); });
}

void EndMarkWriter::OnWritten(const absl::Status& status) {
  if (!status.ok()) return GiveUp(status);
  tracer_.Sometimes("log.end_mark");
  writing_ = false;
  if (std::exchange(again_, false) && noted_ != written_) return Write();
  idle_();
}

// After a failed durable write the file must not be written again.
void EndMarkWriter::GiveUp(const absl::Status& why) {
  given_up_ = true;
  writing_ = again_ = timer_set_ = false;
  timer_ = env::Pending();
  file_.reset();
  if (tracer_.Logs(env::Severity::kWarning)) {
    tracer_.Log(env::Severity::kWarning,
                absl::StrCat("log: cannot write '", std::string(kEndMarkName),
                             "', so the next start may not notice that the log "
                             "lost its end: ",
                             why.ToString()));
  }
  idle_();
}

}  // namespace quorate::raft
