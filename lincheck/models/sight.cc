#include "lincheck/models/sight.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

namespace quorate::lincheck {
namespace {

constexpr std::string_view kOther = "(some other value)";

}  // namespace

void Sight::Add(Datum datum) {
  if (sees_all_ ||
      std::find(seen_.begin(), seen_.end(), datum) != seen_.end()) {
    return;
  }
  sees_all_ = seen_.size() == kMax || datum.bytes().starts_with(kOther);
  seen_.push_back(std::move(datum));
}

void Sight::Add(Value value) {
  if (!value.is_none()) Add(Datum::Of(value));
}

bool Sight::Sees(const Datum& datum) const {
  const std::string number =
      datum.is_integer() ? std::to_string(datum.integer()) : std::string();
  const std::string_view text = datum.is_integer() ? number : datum.bytes();
  return std::any_of(seen_.begin(), seen_.end(), [&](const Datum& seen) {
    return seen == datum || (!seen.is_nil() && !seen.is_integer() &&
                             seen.bytes().starts_with(text));
  });
}

void Sight::Blur(Datum* datum) const {
  if (sees_all_ || datum->is_nil() || datum->is_forgotten() || Sees(*datum)) {
    return;
  }
  *datum = {};
  datum->Append(kOther);
}

}  // namespace quorate::lincheck
