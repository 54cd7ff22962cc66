#include "examples/counter/counter.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "env/parse_integer.h"

namespace quorate::examples {
namespace {

Buffer ToBuffer(int64_t number) { return Buffer::Copy(std::to_string(number)); }

// A snapshot of a number needs no copy-on-write: it copies the number.
class Reader final : public raft::SnapshotReader {
 public:
  explicit Reader(int64_t sum) : rest_(ToBuffer(sum)) {}
  Buffer Next(size_t size_bytes_max) override {
    Buffer piece = rest_.Slice(0, std::min(size_bytes_max, rest_.size()));
    rest_ = rest_.Suffix(piece.size());
    return piece;
  }

 private:
  Buffer rest_;
};

class Writer final : public raft::SnapshotWriter {
 public:
  explicit Writer(int64_t* sum) : sum_(sum) {}
  absl::Status Add(std::string_view bytes) override {
    text_.append(bytes);
    return absl::OkStatus();
  }
  absl::Status Commit() override {
    int64_t sum = 0;
    if (!ParseInteger(text_, &sum)) return absl::DataLossError("not a number");
    *sum_ = sum;
    return absl::OkStatus();
  }

 private:
  int64_t* const sum_;
  std::string text_;
};

}  // namespace

Buffer Counter::Apply(const raft::Entry& entry, bool wants_result) {
  int64_t delta = 0;
  if (!ParseInteger(entry.payload.view(), &delta))
    return Buffer::Copy("not a number");
  sum_ += delta;
  return wants_result ? ToBuffer(sum_) : Buffer();
}

std::unique_ptr<raft::SnapshotReader> Counter::TakeSnapshot() {
  return std::make_unique<Reader>(sum_);
}

std::unique_ptr<raft::SnapshotWriter> Counter::BeginRestore(
    const raft::SnapshotDescriptor&) {
  return std::make_unique<Writer>(&sum_);
}

}  // namespace quorate::examples
