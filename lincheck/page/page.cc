#include "lincheck/page/page.h"

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lincheck/formats/json_lines.h"
#include "lincheck/page/page_assets.h"

namespace quorate::lincheck {
namespace {

// A large counter-example gets its neighbours from this many of its last
// operations.
constexpr size_t kAnchorsMax = 64;
// Differences of times beyond this are not exact in a page.
constexpr Time kSpanMax = Time{1} << 53;
// Of other keys that are wrong, too, so many are named.
constexpr size_t kWrongNamedMax = 5;
// Of the words for a state, of which there may be many: its beginning and end.
constexpr size_t kStateBeginBytes = 300;
constexpr size_t kStateEndBytes = 100;

// `text` without the middle of it, if it is long.
std::string Shortened(std::string_view text) {
  if (text.size() <= kStateBeginBytes + kStateEndBytes)
    return std::string(text);
  const auto inside = [&](size_t at) {
    return at < text.size() && (text[at] & 0xc0) == 0x80;
  };
  size_t begin = kStateBeginBytes;
  size_t end = text.size() - kStateEndBytes;
  while (inside(begin)) --begin;
  while (inside(end)) ++end;
  return absl::StrCat(std::string(text.substr(0, begin)), "…",
                      std::string(text.substr(end)));
}

// The name of the object of a history without keys is empty.
enum Role : int { kOther = 0, kCore = 1, kContext = 2 };

class PageMaker {
 public:
  explicit PageMaker(const PageInput& input)
      : input_(input),
        history_(input.recording->history),
        example_(input.verdict->counter_example.has_value()
                     ? &*input.verdict->counter_example
                     : nullptr) {}

  std::string Run();

 private:
  // Which operations are in the page, in the order of their numbers there.
  void Choose();
  Time Distance(const Operation& op, const std::vector<Operation>& anchors);
  // The number of an operation in the page; -1: it is not there.
  int64_t NumberOf(size_t operation) const;
  void AppendNumbers(const std::vector<size_t>& operations);
  void AppendTime(Time time);
  void AppendText(std::string_view text) { AppendJsonString(text, &json_); }
  void AppendOperations();
  void AppendEvents();
  void AppendWrong();
  void AppendOrders();
  void AppendLevels();
  std::string Facts() const;

  const PageInput& input_;
  const History& history_;
  const CounterExample* const example_;
  std::vector<size_t> shown_;  // Indices into the history, ascending.
  std::map<size_t, Role> roles_;
  std::set<size_t> needed_;  // Has to be in the page, whatever its role.
  Time origin_ = 0;
  std::string json_;
};

// How long `op` is away from the nearest of `anchors`.
Time PageMaker::Distance(const Operation& op,
                         const std::vector<Operation>& anchors) {
  Time least = kNever;
  for (const Operation& anchor : anchors) {
    const Time end = anchor.known() ? anchor.ret : anchor.invoke;
    Time distance = 0;
    if (op.invoke > end) {
      distance = op.invoke - end;
    } else if (op.known() && op.ret < anchor.invoke) {
      distance = anchor.invoke - op.ret;
    } else if (!op.known() && op.invoke < anchor.invoke) {
      distance = anchor.invoke - op.invoke;
    }
    least = std::min(least, distance);
  }
  return least;
}

void PageMaker::Choose() {
  const auto operations = history_.operations();
  std::vector<Operation> anchors;
  if (example_ != nullptr) {
    for (size_t i : example_->context) roles_[i] = kContext;
    for (size_t i : example_->operations) roles_[i] = kCore;
    for (const PartialOrder& order : example_->partial_orders) {
      needed_.insert(order.placed.begin(), order.placed.end());
    }
    // Those before the one that cannot be placed, and it.
    const std::vector<size_t>& core = example_->operations;
    auto end = std::find(core.begin(), core.end(), example_->blocked);
    if (end != core.end()) ++end;
    const auto begin =
        end - std::min<ptrdiff_t>(end - core.begin(), kAnchorsMax);
    for (auto i = begin; i != end; ++i) anchors.push_back(operations[*i]);
  }
  for (const PageLevel& level : input_.levels) {
    needed_.insert(level.witness.begin(), level.witness.end());
  }
  shown_.resize(operations.size());
  for (size_t i = 0; i < shown_.size(); ++i) shown_[i] = i;
  if (shown_.size() > kPageOperationsMax) {
    // First named operations, then the counter-example, then those near to it.
    struct Rank {
      int kind;
      Time distance;
      bool operator<(const Rank& other) const {
        return std::pair(kind, distance) <
               std::pair(other.kind, other.distance);
      }
    };
    std::vector<Rank> ranks(operations.size());
    for (size_t i = 0; i < ranks.size(); ++i) {
      const Operation& op = operations[i];
      ranks[i].kind = needed_.contains(i) ? 0 : roles_.contains(i) ? 1 : 2;
      ranks[i].distance = anchors.empty() ? op.invoke : Distance(op, anchors);
    }
    const auto closer = [&](size_t a, size_t b) {
      return std::pair(ranks[a], a) < std::pair(ranks[b], b);
    };
    std::nth_element(shown_.begin(), shown_.begin() + kPageOperationsMax,
                     shown_.end(), closer);
    shown_.resize(kPageOperationsMax);
    std::sort(shown_.begin(), shown_.end());
  }
  origin_ = kNever;
  for (size_t i : shown_) origin_ = std::min(origin_, operations[i].invoke);
  for (const TimelineEvent& event : input_.recording->events) {
    if (shown_.size() == operations.size()) {
      origin_ = std::min(origin_, event.at);
    }
  }
  if (origin_ == kNever) origin_ = 0;
}

int64_t PageMaker::NumberOf(size_t operation) const {
  const auto found = std::lower_bound(shown_.begin(), shown_.end(), operation);
  if (found == shown_.end() || *found != operation) return -1;
  return found - shown_.begin();
}

void PageMaker::AppendNumbers(const std::vector<size_t>& operations) {
  json_ += '[';
  for (size_t i = 0; i < operations.size(); ++i) {
    absl::StrAppend(&json_, i == 0 ? "" : ",", NumberOf(operations[i]));
  }
  json_ += ']';
}

void PageMaker::AppendTime(Time time) {
  if (time == kNever) {
    json_ += "null";
    return;
  }
  // Without overflow, whatever the two times are.
  const auto difference =
      static_cast<uint64_t>(time) - static_cast<uint64_t>(origin_);
  if (time < origin_) {
    absl::StrAppend(&json_, "0");
  } else {
    absl::StrAppend(&json_,
                    std::min(difference, static_cast<uint64_t>(kSpanMax)));
  }
}

void PageMaker::AppendOperations() {
  std::map<uint32_t, size_t> keys;
  std::vector<uint32_t> names;
  for (size_t i : shown_) {
    const uint32_t partition = history_.operations()[i].partition;
    if (keys.try_emplace(partition, names.size()).second) {
      names.push_back(partition);
    }
  }
  json_ += ",\"keys\":[";
  for (size_t i = 0; i < names.size(); ++i) {
    if (i > 0) json_ += ',';
    AppendText(history_.partition_name(names[i]));
  }
  json_ += "],\"ops\":[";
  for (size_t n = 0; n < shown_.size(); ++n) {
    const Operation& op = history_.operations()[shown_[n]];
    absl::StrAppend(&json_, n == 0 ? "[" : ",\n[", op.client, ",",
                    keys[op.partition], ",");
    AppendTime(op.invoke);
    json_ += ',';
    AppendTime(op.ret);
    json_ += ',';
    Operation call = op;
    call.ret = op.invoke;
    call.result = {};
    AppendText(DescribeCall(*input_.model, call));
    json_ += ',';
    const std::string own = input_.model->InWords(op).call;
    if (op.known() && !op.result.is_none()) {
      AppendText(DescribeResult(*input_.model, op));
    } else {
      json_ += "null";
    }
    const auto role = roles_.find(shown_[n]);
    absl::StrAppend(
        &json_, ",",
        static_cast<int>(role == roles_.end() ? kOther : role->second));
    if (!own.empty()) {
      json_ += ',';
      AppendText(own);
    }
    json_ += ']';
  }
  json_ += ']';
}

void PageMaker::AppendEvents() {
  std::vector<TimelineEvent> events = input_.recording->events;
  std::stable_sort(events.begin(), events.end(),
                   [](const TimelineEvent& a, const TimelineEvent& b) {
                     return a.at < b.at;
                   });
  json_ += ",\"events\":[";
  bool any = false;
  for (const TimelineEvent& event : events) {
    // Over before anything that is shown.
    if (event.until < origin_) continue;
    json_ += any ? ",\n[" : "[";
    any = true;
    AppendText(TimelineEventKindName(event.kind));
    json_ += ',';
    AppendTime(event.at);
    json_ += ',';
    AppendTime(event.until);
    json_ += ',';
    AppendText(event.node);
    json_ += ',';
    AppendText(event.text);
    json_ += ']';
  }
  json_ += ']';
}

void PageMaker::AppendWrong() {
  const std::vector<uint32_t>& wrong = input_.verdict->wrong;
  std::vector<uint32_t> others;
  for (const uint32_t partition : wrong) {
    if (example_ != nullptr && partition == example_->partition) continue;
    others.push_back(partition);
  }
  absl::StrAppend(&json_, ",\"alsoWrong\":", others.size(), ",\"wrongKeys\":[");
  for (size_t i = 0; i < others.size() && i < kWrongNamedMax; ++i) {
    if (i > 0) json_ += ',';
    AppendText(history_.partition_name(others[i]));
  }
  json_ += ']';
}

void PageMaker::AppendOrders() {
  absl::StrAppend(&json_, ",\"blocked\":",
                  example_ == nullptr ? -1 : NumberOf(example_->blocked),
                  ",\"orders\":[");
  if (example_ != nullptr) {
    bool any = false;
    for (const PartialOrder& order : example_->partial_orders) {
      absl::StrAppend(&json_, any ? "," : "", "{\"before\":", order.before,
                      ",\"placed\":");
      any = true;
      AppendNumbers(order.placed);
      json_ += ",\"states\":[";
      for (size_t i = 0; i < order.states.size(); ++i) {
        if (i > 0) json_ += ',';
        AppendText(Shortened(order.states[i]));
      }
      absl::StrAppend(&json_, "],\"blocked\":", NumberOf(order.blocked), "}");
    }
  }
  json_ += ']';
}

void PageMaker::AppendLevels() {
  json_ += ",\"levels\":[";
  bool any = false;
  for (const PageLevel& level : input_.levels) {
    json_ += any ? ",{\"name\":" : "{\"name\":";
    any = true;
    AppendText(level.name);
    json_ += ",\"ok\":";
    AppendText(VerdictWord(level.result));
    json_ += ",\"reason\":";
    AppendText(level.reason);
    json_ += ",\"witness\":";
    AppendNumbers(level.witness);
    json_ += '}';
  }
  json_ += "],\"staleness\":";
  AppendText(input_.staleness);
}

std::string PageMaker::Facts() const {
  std::vector<uint32_t> clients;
  for (const Operation& op : history_.operations()) {
    clients.push_back(op.client);
  }
  std::sort(clients.begin(), clients.end());
  const size_t count =
      std::unique(clients.begin(), clients.end()) - clients.begin();
  const auto counted = [](size_t n, std::string_view one) {
    std::string digits = std::to_string(n);
    for (size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, 1, ',');
    return absl::StrCat(digits, " ", std::string(one), n == 1 ? "" : "s");
  };
  const std::string failed = DescribeFailedCas(input_.recording->failed_cas);
  return absl::StrCat(counted(history_.operations().size(), "operation"),
                      " of ", counted(count, "client"), " on ",
                      counted(history_.partition_count(), "object"),
                      input_.verdict->wrong.size() > 1
                          ? absl::StrCat(", ", input_.verdict->wrong.size(),
                                         " of which are wrong")
                          : "",
                      " · model ", ModelText(*input_.recording),
                      " · read from ", input_.recording->form,
                      failed.empty() ? "" : absl::StrCat(" · ", failed));
}

std::string PageMaker::Run() {
  Choose();
  json_ = "{\"title\":";
  AppendText(input_.title);
  json_ += ",\"verdict\":";
  AppendText(VerdictWord(input_.verdict->result));
  json_ += ",\"facts\":";
  AppendText(Facts());
  json_ += ",\"unit\":";
  AppendText(TimeUnitName(input_.recording->unit));
  absl::StrAppend(&json_, ",\"origin\":\"", origin_,
                  "\",\"total\":", history_.operations().size(),
                  ",\"shown\":", shown_.size(), ",\"minimal\":",
                  example_ != nullptr && example_->minimal ? "true" : "false");
  json_ += ",\"key\":";
  AppendText(example_ == nullptr
                 ? std::string_view()
                 : history_.partition_name(example_->partition));
  json_ += ",\"reason\":";
  AppendText(example_ == nullptr ? std::string_view() : example_->reason);
  AppendWrong();
  AppendOperations();
  AppendEvents();
  AppendOrders();
  AppendLevels();
  json_ += '}';
  return std::move(json_);
}

void ReplaceAll(std::string_view what, std::string_view with,
                std::string* text) {
  for (size_t at = text->find(what); at != std::string::npos;
       at = text->find(what, at + with.size())) {
    text->replace(at, what.size(), with);
  }
}

std::string EscapedForHtml(std::string_view text) {
  std::string out(text);
  ReplaceAll("&", "&amp;", &out);
  ReplaceAll("<", "&lt;", &out);
  return out;
}

}  // namespace

std::string_view VerdictWord(Result result) {
  switch (result) {
    case Result::kOk:
      return "true";
    case Result::kViolation:
      return "false";
    case Result::kUnknown:
      break;
  }
  return "unknown";
}

std::string MakePage(const PageInput& input) {
  std::string json = PageMaker(input).Run();
  // Nothing in it may end the element that holds it.
  ReplaceAll("<", "\\u003c", &json);
  // One pass over the template: what is put in is not looked at again.
  struct Part {
    std::string_view name;
    std::string_view text;
  };
  const std::string title = EscapedForHtml(input.title);
  const Part parts[] = {{"@TITLE@", title},
                        {"@CSS@", kPageCss},
                        {"@DATA@", json},
                        {"@SCRIPT@", kPageJs}};
  std::string page;
  std::string_view rest = kPageHtml;
  for (const Part& part : parts) {
    const size_t at = rest.find(part.name);
    page += rest.substr(0, at);
    page += part.text;
    rest.remove_prefix(at + part.name.size());
  }
  page += rest;
  return page;
}

}  // namespace quorate::lincheck
