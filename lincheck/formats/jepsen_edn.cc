#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lincheck/formats/edn.h"
#include "lincheck/formats/jepsen.h"
#include "lincheck/formats/jepsen_readings.h"

namespace quorate::lincheck {
namespace {

class Reader {
 public:
  Reader(Window* window, const Vocabulary& vocabulary,
         const JepsenCalls::Options& options)
      : window_(window),
        map_lines_(options.map_lines),
        calls_(vocabulary, options) {}

  absl::StatusOr<Recording> Run();

 private:
  // Enters the vector or list that holds all entries, if there is one.
  absl::Status Open();
  absl::Status Close();
  absl::Status TakeForm(uint32_t node);
  absl::Status TakeMap(uint32_t map);
  absl::Status CheckKinds(const JepsenEntry& entry, uint32_t map);
  void SetTime(JepsenEntry* entry);
  absl::Status Fail(uint32_t node, std::string_view reason) const {
    return BadInput(window_->PositionAt(edn_.OffsetOf(node)), reason);
  }

  Window* const window_;
  const bool map_lines_;
  JepsenReadings calls_;
  TimeUnit unit_ = TimeUnit::kOrder;
  EdnParser edn_;
  char bracket_ = 0;     // It closes the vector or list around.
  bool closed_ = false;  // It was closed.
  Position opened_;
  bool any_entry_ = false;
  std::optional<bool> keys_beside_;  // Entries of clients have a :key.
  Time now_ = -1;
  int64_t last_index_ = -1;
};

absl::Status Reader::Open() {
  while (!window_->complete() && window_->rest().size() < 2) {
    if (absl::Status status = window_->Grow(); !status.ok()) return status;
  }
  const std::string_view rest = window_->rest();
  const size_t first = CountEdnBlanks(rest);
  if (first == rest.size()) return absl::OkStatus();
  if (rest[first] != '[' && rest[first] != '(') return absl::OkStatus();
  opened_ = window_->PositionAt(first);
  bracket_ = rest[first] == '[' ? ']' : ')';
  window_->Consume(first + 1);
  return absl::OkStatus();
}

absl::Status Reader::Close() {
  const size_t at = edn_.used() - 1;
  if (bracket_ == 0 || edn_.closed() != bracket_) {
    return BadInput(
        window_->PositionAt(at),
        absl::StrCat("'", std::string(1, edn_.closed()), "' closes nothing"));
  }
  bracket_ = 0;
  closed_ = true;
  return absl::OkStatus();
}

absl::StatusOr<Recording> Reader::Run() {
  absl::Status status = Open();
  while (status.ok()) {
    const EdnParser::Outcome outcome =
        edn_.Parse(window_->rest(), window_->complete());
    if (outcome == EdnParser::Outcome::kNothing) break;
    switch (outcome) {
      case EdnParser::Outcome::kIncomplete:
        status = window_->Grow();
        continue;
      case EdnParser::Outcome::kError:
        status =
            BadInput(window_->PositionAt(edn_.error_offset()), edn_.error());
        continue;
      case EdnParser::Outcome::kClosed:
        status = Close();
        break;
      default:
        status = closed_ ? Fail(0, "something follows the end of the history")
                         : TakeForm(0);
    }
    window_->Consume(edn_.used());
  }
  if (!status.ok()) return status;
  if (bracket_ != 0) {
    return BadInput(
        window_->PositionAt(window_->rest().size()),
        absl::StrCat("the file ends within the collection that begins in line ",
                     opened_.line));
  }
  absl::StatusOr<Recording> recording = calls_.Finish();
  if (!recording.ok()) return recording;
  recording->unit = unit_;
  return recording;
}

absl::Status Reader::TakeForm(uint32_t node) {
  const EdnNode& form = edn_.node(node);
  switch (form.kind) {
    case EdnKind::kMap:
      return TakeMap(node);
    case EdnKind::kTagged:  // #jepsen.history.Op{…}
      return TakeForm(node + 1);
    case EdnKind::kVector:
    case EdnKind::kList:
      if (bracket_ != 0) break;
      for (uint32_t child = node + 1; child < form.end;
           child = edn_.node(child).end) {
        if (edn_.node(child).kind != EdnKind::kMap) {
          return Fail(child, "a map expected");
        }
        if (absl::Status status = TakeMap(child); !status.ok()) return status;
      }
      return absl::OkStatus();
    default:
      break;
  }
  return Fail(node, "an entry is a map: {:process …, :type …, :f …}");
}

absl::Status Reader::TakeMap(uint32_t map) {
  uint32_t twice = kNoNode;
  JepsenEntry entry = EntryOf(edn_, map, &twice);
  if (twice != kNoNode) return Fail(twice, "this key for the second time");
  if (entry.error != kNoNode && edn_.node(entry.error).kind == EdnKind::kNil) {
    entry.error = kNoNode;
  }
  absl::Status status = CheckKinds(entry, map);
  if (!status.ok()) return status;
  SetTime(&entry);
  if (edn_.node(entry.process).kind != EdnKind::kInteger) {
    if (!edn_.IsKeyword(entry.process, "nemesis") &&
        !edn_.IsKeyword(entry.type, "info")) {
      return Fail(entry.process, "a client's process is a number");
    }
    calls_.TakeNemesis(edn_, entry);
    return absl::OkStatus();
  }
  const bool keyed = entry.key != kNoNode;
  if (!keys_beside_.has_value()) keys_beside_ = map_lines_ || keyed;
  if (*keys_beside_ != keyed) {
    return Fail(map, keyed ? "an entry with :key behind others without"
                           : "an entry without :key");
  }
  return calls_.Take(edn_, entry, [this](size_t offset) {
    return window_->PositionAt(offset);
  });
}

absl::Status Reader::CheckKinds(const JepsenEntry& entry, uint32_t map) {
  if (entry.process == kNoNode) return Fail(map, "an entry without :process");
  if (entry.type == kNoNode) return Fail(map, "an entry without :type");
  if (entry.function == kNoNode) return Fail(map, "an entry without :f");
  for (uint32_t node : {entry.type, entry.function}) {
    if (edn_.node(node).kind != EdnKind::kKeyword) {
      return Fail(node, "a keyword expected");
    }
  }
  const EdnKind kind = edn_.node(entry.process).kind;
  if (kind != EdnKind::kInteger && kind != EdnKind::kKeyword) {
    return Fail(entry.process,
                "a process is a number, or a name like "
                ":nemesis");
  }
  const uint32_t index = entry.index;
  if (index == kNoNode) return absl::OkStatus();
  if (edn_.node(index).kind != EdnKind::kInteger ||
      edn_.node(index).integer <= last_index_) {
    return Fail(index, "an :index that is not greater than the one before it");
  }
  last_index_ = edn_.node(index).integer;
  return absl::OkStatus();
}

void Reader::SetTime(JepsenEntry* entry) {
  // The order of entries is the truth; times only stretch it.
  constexpr Time kTimeMax = kNever / 2;
  const uint32_t node = entry->moment;
  const bool told =
      node != kNoNode && edn_.node(node).kind == EdnKind::kInteger;
  if (!any_entry_) {
    any_entry_ = true;
    if (told) unit_ = TimeUnit::kNanoseconds;
  }
  Time time = now_ + 1;
  if (told && unit_ == TimeUnit::kNanoseconds) {
    time = std::max(time, std::min(edn_.node(node).integer, kTimeMax));
  }
  now_ = entry->time = time;
}

}  // namespace

absl::StatusOr<Recording> ReadJepsenEdn(Window* window,
                                        const Vocabulary& vocabulary,
                                        const JepsenCalls::Options& options) {
  return Reader(window, vocabulary, options).Run();
}

}  // namespace quorate::lincheck
