#include "node/http/ordered_scan.h"

#include <algorithm>
#include <utility>

#include "env/check.h"
#include "env/parse_integer.h"
#include "kv/slots/slot_scan.h"

namespace quorate::node {
namespace {

bool IsUnreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
}

// As in a URL, so it needs no escapes in JSON either.
void AppendEncoded(std::string_view text, std::string* out) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  for (const char c : text) {
    if (IsUnreserved(c)) {
      out->push_back(c);
      continue;
    }
    const auto byte = static_cast<uint8_t>(c);
    out->push_back('%');
    out->push_back(kHex[byte >> 4]);
    out->push_back(kHex[byte & 15]);
  }
}

}  // namespace

OrderedScan::OrderedScan(Range range, const kv::SlotStrategy& slots)
    : range_(std::move(range)), slots_(slots) {
  CHECK(slots.ordered());
  CHECK(range_.limit >= 1 && range_.limit <= kLimitMax) << range_.limit;
  slot_ = slots.SlotOf(range_.from);
  last_slot_ = range_.to.has_value()
                   ? slots.SlotOf(*range_.to)
                   : Slot(static_cast<uint16_t>(slots.slot_count() - 1));
  cursor_ = kv::MakeCursor(slot_, {});
  if (range_.to.has_value() && *range_.to <= range_.from) EndKeys();
}

kv::CommandSpec OrderedScan::Question(uint32_t count_max) {
  kv::CommandSpec spec;
  if (phase_ == Phase::kKeys) {
    spec.op = kv::Op::kScan;
    spec.slot = slot_;
    spec.numbers = {static_cast<int64_t>(cursor_),
                    kv::ScanBounds(slot_, count_max)};
    return spec;
  }
  CHECK(phase_ == Phase::kValues);
  argument_ = keys_[next_value_];
  spec.op = kv::Op::kGet;
  spec.slot = slots_.SlotOf(argument_);
  spec.arguments = absl::MakeSpan(&argument_, 1);
  return spec;
}

std::optional<size_t> OrderedScan::Take(const kv::ResultView& result) {
  if (phase_ == Phase::kValues) {
    const std::string& key = keys_[next_value_];
    const bool fits =
        items_.empty() ||
        items_.size() + key.size() + result.bytes.size() <= kPageBytesMax;
    if (result.status == kv::ResultStatus::kOk && !fits) {
      next_ = key;
      phase_ = Phase::kDone;
      return 1;
    }
    // Another client may have removed it since.
    if (result.status == kv::ResultStatus::kOk) {
      AppendItem(key, &result.bytes);
    }
    if (++next_value_ == keys_.size()) phase_ = Phase::kDone;
    return 1;
  }
  kv::ArrayReader reader(result.bytes);
  std::string_view bytes;
  uint64_t cursor = 0;
  if (reader.done() || !reader.Next(&bytes) || !ParseInteger(bytes, &cursor)) {
    return std::nullopt;
  }
  const size_t visited = reader.count() - 1;
  while (!reader.done()) {
    if (reader.Next(&bytes)) AddKey(bytes);
  }
  cursor_ = cursor;
  if (cursor == 0) EndSlot();
  return visited;
}

void OrderedScan::AddKey(std::string_view key) {
  if (key < range_.from || (range_.to.has_value() && key >= *range_.to) ||
      (dropped_.has_value() && key >= *dropped_)) {
    return;
  }
  kept_.emplace_back(key);
  kept_bytes_ += key.size();
  if (kept_.size() >= 2 * size_t{range_.limit} || kept_bytes_ > kKeptBytesMax) {
    DropGreaterKeys();
  }
}

void OrderedScan::DropGreaterKeys() {
  std::sort(kept_.begin(), kept_.end());
  // A key may have been visited twice.
  kept_.erase(std::unique(kept_.begin(), kept_.end()), kept_.end());
  const size_t wanted = range_.limit - keys_.size();
  size_t bytes = keys_bytes_;
  size_t count = 0;
  while (count < std::min(wanted, kept_.size())) {
    const size_t more = bytes + kept_[count].size();
    if (more > kPageBytesMax && keys_.size() + count > 0) break;
    bytes = more;
    ++count;
  }
  if (count < kept_.size()) {
    dropped_ = std::move(kept_[count]);
    kept_.resize(count);
  }
  kept_bytes_ = bytes - keys_bytes_;
}

void OrderedScan::EndSlot() {
  DropGreaterKeys();
  keys_bytes_ += std::exchange(kept_bytes_, 0);
  for (std::string& key : std::exchange(kept_, {})) {
    keys_.push_back(std::move(key));
  }
  if (dropped_.has_value()) {
    next_ = std::move(dropped_);
    return EndKeys();
  }
  if (slot_ == last_slot_) return EndKeys();
  if (keys_.size() == range_.limit) {
    // The least key behind it.
    next_ = keys_.back() + '\0';
    return EndKeys();
  }
  slot_ = Slot(static_cast<uint16_t>(slot_.value() + 1));
  cursor_ = kv::MakeCursor(slot_, {});
}

void OrderedScan::EndKeys() {
  if (range_.values && !keys_.empty()) {
    phase_ = Phase::kValues;
    return;
  }
  for (const std::string& key : keys_) AppendItem(key, nullptr);
  phase_ = Phase::kDone;
}

void OrderedScan::AppendItem(std::string_view key,
                             const std::string_view* value) {
  items_ += items_.empty() ? "{\"key\":\"" : ",{\"key\":\"";
  AppendEncoded(key, &items_);
  if (value != nullptr) {
    items_ += "\",\"value\":\"";
    AppendEncoded(*value, &items_);
  }
  items_ += "\"}";
}

std::string OrderedScan::TakePage() {
  CHECK(done());
  std::string page = "{\"items\":[";
  page += std::exchange(items_, {});
  page += "],\"next\":";
  if (next_.has_value()) {
    page.push_back('"');
    AppendEncoded(*next_, &page);
    page.push_back('"');
  } else {
    page += "null";
  }
  page += "}\n";
  return page;
}

}  // namespace quorate::node
