#include "kv/store/long_read.h"

#include <algorithm>
#include <array>
#include <utility>

#include "env/check.h"

namespace quorate::kv {

LongRead::LongRead(Op op, std::vector<Part> parts, const ReadTime& time,
                   std::vector<std::string_view> keys, KeyReads* key_reads)
    : op_(op),
      parts_(std::move(parts)),
      time_(time),
      keys_(std::move(keys)),
      key_reads_(key_reads) {
  CHECK(Takes(op));
  CHECK_EQ(parts_.empty() ? 0 : parts_.back().end, keys_.size());
}

Lookup LongRead::LookUpNext() {
  const size_t place = next_ % kPrefetchMax;
  if (place == 0) {
    const size_t count = std::min(kPrefetchMax, keys_.size() - next_);
    std::array<Table::Probe, kPrefetchMax> probes;
    for (size_t i = 0, part = part_; i < count; ++i) {
      if (parts_[part].end == next_ + i) ++part;
      const TableView& view = parts_[part].view;
      hashes_[i] = view.Hash(keys_[next_ + i]);
      probes[i] = Table::Probe(view, hashes_[i]);
    }
    for (bool any = true; any;) {
      any = false;
      for (size_t i = 0; i < count; ++i) any = probes[i].Step() || any;
    }
  }
  if (parts_[part_].end == next_) ++part_;
  const std::string_view key = keys_[next_++];
  return LookUp(parts_[part_].view.Find(hashes_[place], key), time_);
}

bool LongRead::Count(size_t keys_max) {
  CHECK(!counted_);
  for (size_t i = 0; i < keys_max && next_ < keys_.size(); ++i) {
    const Lookup found = LookUpNext();
    needs_time_ = found.state == Lookup::State::kNeedsTime;
    if (found.found()) ++found_;
    if (GetsMany(op_)) value_bytes_ += found.value.size();
    if (needs_time_ || too_large()) break;
  }
  counted_ = needs_time_ || too_large() || next_ == keys_.size();
  if (counted_ && !needs_time_ && key_reads_ != nullptr) {
    key_reads_->Add(found_, next_ - found_);
  }
  if (counted_) next_ = part_ = 0;
  return !counted_;
}

ResultView LongRead::Whole() const {
  CHECK(counted_ && !needs_time_ && !has_elements());
  if (too_large()) return {.status = ResultStatus::kTooLarge};
  return {.kind = PayloadKind::kInteger,
          .integer = static_cast<int64_t>(found_)};
}

absl::Span<const ResultElement> LongRead::Next(size_t keys_max,
                                               size_t bytes_max) {
  CHECK(counted_ && !needs_time_ && has_elements() && !done());
  elements_.clear();
  size_t bytes = 0;
  while (!done() && elements_.size() < keys_max && bytes < bytes_max) {
    const Lookup found = LookUpNext();
    bytes += found.value.size();
    elements_.push_back(
        {.nil = !found.found(), .bytes = found.value, .shared = found.shared});
  }
  return elements_;
}

}  // namespace quorate::kv
