#include "raft/log/files/zero_fill.h"

#include <algorithm>
#include <utility>

#include "env/check.h"

namespace quorate::raft {
namespace {
constexpr char kZeros[64 << 10] = {};
}  // namespace

std::vector<Buffer> ZeroPieces(size_t size) {
  const Buffer zeros = Buffer::Constant({kZeros, sizeof(kZeros)});
  std::vector<Buffer> pieces;
  while (size > 0) {
    pieces.push_back(zeros.Slice(0, std::min(size, zeros.size())));
    size -= pieces.back().size();
  }
  return pieces;
}

ZeroFill::ZeroFill(env::File& file, uint64_t begin, uint64_t end,
                   size_t piece_bytes, uint64_t limit, Done done)
    : file_(file),
      at_(begin),
      end_(end),
      piece_bytes_(piece_bytes),
      limit_(limit),
      done_(std::move(done)) {
  CHECK_LT(begin, end);
  WriteNext();
}

void ZeroFill::WriteNext() {
  if (at_ == end_) return Finish(absl::OkStatus());
  waits_ = at_ >= limit_;
  if (waits_) return;
  const size_t size = std::min<uint64_t>(end_ - at_, piece_bytes_);
  pending_ = file_.Write(at_, ZeroPieces(size), env::Durability::kLater,
                         [this, size](absl::Status written) {
                           if (!written.ok()) return Finish(written);
                           pending_ =
                               file_.Sync([this, size](absl::Status synced) {
                                 if (!synced.ok()) return Finish(synced);
                                 at_ += size;
                                 WriteNext();
                               });
                         });
}

void ZeroFill::RaiseLimit(uint64_t limit) {
  limit_ = std::max(limit_, limit);
  if (waits_) WriteNext();
}

void ZeroFill::Finish(absl::Status status) {
  Done done = std::move(done_);
  done(std::move(status), at_);
}

}  // namespace quorate::raft
