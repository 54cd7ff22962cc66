#include "node/connections/input_budget.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "env/check.h"

namespace quorate::node {
namespace {

// Ages in milliseconds are counted up to about 49 days, so that no product of
// bytes and age overflows.
constexpr int64_t kAgeMax = UINT32_MAX;

}  // namespace

InputBudget::InputBudget(env::Loop& loop, size_t limit_bytes)
    : loop_(loop), limit_bytes_(limit_bytes) {}

void InputBudget::Change(Share& share, size_t bytes, bool progress) {
  const uint64_t before = share.held_.bytes();
  if (before == 0 && bytes == 0) return;
  if (before == 0) {
    share.held_ = Quota::Share(held_);
    share.number_ = ++last_number_;
    shares_.emplace(share.number_, &share);
    progress = true;
  }
  share.held_.Resize(bytes);
  if (bytes == 0) {
    shares_.erase(share.number_);
    return;
  }
  if (progress) share.since_ = loop_.ReadClock().mono;
  if (used_bytes() <= limit_bytes_ || refusal_due_) return;
  refusal_due_ = true;
  refusal_ = loop_.Defer([this] { RefuseMost(); });
}

void InputBudget::RefuseMost() {
  refusal_due_ = false;
  if (used_bytes() <= limit_bytes_) return;
  const MonoTime now = loop_.ReadClock().mono;
  // The product of bytes and age, and the number: of two with the same product
  // the older share goes first.
  std::vector<std::pair<uint64_t, uint64_t>> order;
  order.reserve(shares_.size());
  for (const auto& [number, share] : shares_) {
    const int64_t age = (now - share->since_).ns() / Milliseconds(1).ns();
    const auto factor =
        static_cast<uint64_t>(std::clamp<int64_t>(age, 0, kAgeMax - 1) + 1);
    order.emplace_back(
        factor * std::min<uint64_t>(share->held_.bytes(), UINT32_MAX),
        UINT64_MAX - number);
  }
  std::make_heap(order.begin(), order.end());
  while (used_bytes() > limit_bytes_ && !order.empty()) {
    std::pop_heap(order.begin(), order.end());
    const uint64_t number = UINT64_MAX - order.back().second;
    order.pop_back();
    const auto found = shares_.find(number);
    if (found == shares_.end()) continue;
    Share& share = *found->second;
    ++refused_;
    share.RefuseInput();
    CHECK_EQ(share.held_.bytes(), uint64_t{0});
  }
}

}  // namespace quorate::node
