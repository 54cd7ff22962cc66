#include "lincheck/page/page.h"

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lincheck/page/page_assets.h"
#include "lincheck/text/json.h"
#include "lincheck/text/words.h"

namespace quorate::lincheck {
namespace {

// Differences of times beyond this are not exact in a page.
constexpr Time kSpanMax = Time{1} << 53;
// Of other keys that are wrong, too, so many are named.
constexpr size_t kWrongNamedMax = 5;
// Of the words for a state, of which there may be many: its beginning and end.
constexpr size_t kStateBeginBytes = 300;
constexpr size_t kStateEndBytes = 100;

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
  // The number of an operation in the page; -1: it is not there.
  int64_t NumberOf(size_t operation) const;
  void AddNumbers(std::string_view name, const std::vector<size_t>& operations);
  void AddTime(Time time);
  void AddOperation(size_t i, size_t key);
  void AddOperations();
  void AddEvents();
  void AddWrong();
  void AddOrders();
  void AddLevels();
  std::string Facts() const;

  const PageInput& input_;
  const History& history_;
  const CounterExample* const example_;
  std::vector<size_t> shown_;  // Indices into the history, ascending.
  std::map<size_t, Role> roles_;
  std::set<size_t> needed_;  // Has to be in the page, whatever its role.
  Time origin_ = 0;
  std::string text_;
  JsonWriter json_{&text_};
};

void PageMaker::Choose() {
  const auto operations = history_.operations();
  Time middle = 0;
  if (example_ != nullptr) {
    for (size_t i : example_->context) roles_[i] = kContext;
    for (size_t i : example_->operations) roles_[i] = kCore;
    for (const PartialOrder& order : example_->partial_orders) {
      needed_.insert(order.placed.begin(), order.placed.end());
    }
    const bool blocked = example_->blocked != CounterExample::kNotKnown;
    middle =
        operations[blocked ? example_->blocked : example_->operations.back()]
            .invoke;
  }
  for (const PageLevel& level : input_.levels) {
    needed_.insert(level.witness.begin(), level.witness.end());
  }
  shown_.resize(operations.size());
  std::iota(shown_.begin(), shown_.end(), 0);
  if (shown_.size() > kPageOperationsMax) {
    // First named operations, then the counter-example, then those near to its
    // end.
    const auto rank = [&](size_t i) {
      const auto [first, last] = std::minmax(operations[i].invoke, middle);
      const int kind = needed_.contains(i) ? 0 : roles_.contains(i) ? 1 : 2;
      return std::tuple(
          kind, static_cast<uint64_t>(last) - static_cast<uint64_t>(first), i);
    };
    std::nth_element(shown_.begin(), shown_.begin() + kPageOperationsMax,
                     shown_.end(),
                     [&](size_t a, size_t b) { return rank(a) < rank(b); });
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

void PageMaker::AddNumbers(std::string_view name,
                           const std::vector<size_t>& operations) {
  json_.Name(name).Open('[');
  for (const size_t i : operations) json_.Number(NumberOf(i));
  json_.Close(']');
}

void PageMaker::AddTime(Time time) {
  if (time == kNever) return json_.Raw("null");
  if (time < origin_) return json_.Number(0);
  // Without overflow, whatever the two times are.
  const auto difference =
      static_cast<uint64_t>(time) - static_cast<uint64_t>(origin_);
  json_.Number(std::min(difference, static_cast<uint64_t>(kSpanMax)));
}

void PageMaker::AddOperation(size_t i, size_t key) {
  const Operation& op = history_.operations()[i];
  Operation call = op;
  call.ret = op.invoke;
  call.result = {};
  const auto role = roles_.find(i);
  const std::string own = input_.model->InWords(op).call;
  json_.Open('[');
  json_.Number(op.client);
  json_.Number(key);
  AddTime(op.invoke);
  AddTime(op.ret);
  json_.Text(DescribeCall(*input_.model, call));
  if (op.says()) {
    json_.Text(DescribeResult(*input_.model, op));
  } else {
    json_.Raw("null");
  }
  json_.Number(static_cast<int>(role == roles_.end() ? kOther : role->second));
  if (!own.empty()) json_.Text(own);
  json_.Close(']');
}

void PageMaker::AddOperations() {
  std::map<uint32_t, size_t> keys;
  json_.Name("keys").Open('[');
  for (const size_t i : shown_) {
    const uint32_t partition = history_.operations()[i].partition;
    if (keys.try_emplace(partition, keys.size()).second) {
      json_.Text(history_.partition_name(partition));
    }
  }
  json_.Close(']');
  json_.Name("ops").Open('[');
  for (const size_t i : shown_) {
    AddOperation(i, keys[history_.operations()[i].partition]);
  }
  json_.Close(']');
}

void PageMaker::AddEvents() {
  std::vector<TimelineEvent> events = input_.recording->events;
  std::stable_sort(events.begin(), events.end(),
                   [](const TimelineEvent& a, const TimelineEvent& b) {
                     return a.at < b.at;
                   });
  json_.Name("events").Open('[');
  for (const TimelineEvent& event : events) {
    // Over before anything that is shown.
    if (event.until < origin_) continue;
    json_.Open('[');
    json_.Text(TimelineEventKindName(event.kind));
    AddTime(event.at);
    AddTime(event.until);
    json_.Text(event.node);
    json_.Text(event.text);
    json_.Close(']');
  }
  json_.Close(']');
}

void PageMaker::AddWrong() {
  std::vector<uint32_t> others = input_.verdict->wrong;
  if (example_ != nullptr) std::erase(others, example_->partition);
  json_.Name("alsoWrong").Number(others.size());
  others.resize(std::min(others.size(), kWrongNamedMax));
  json_.Name("wrongKeys").Open('[');
  for (const uint32_t partition : others) {
    json_.Text(history_.partition_name(partition));
  }
  json_.Close(']');
}

void PageMaker::AddOrders() {
  json_.Name("blocked").Number(
      example_ == nullptr ? -1 : NumberOf(example_->blocked));
  json_.Name("orders").Open('[');
  const std::vector<PartialOrder> none;
  for (const PartialOrder& order :
       example_ == nullptr ? none : example_->partial_orders) {
    json_.Open('{');
    json_.Name("before").Number(order.before);
    AddNumbers("placed", order.placed);
    json_.Name("states").Open('[');
    for (const std::string& state : order.states) {
      json_.Text(Shortened(state, kStateBeginBytes, kStateEndBytes));
    }
    json_.Close(']');
    json_.Name("blocked").Number(NumberOf(order.blocked));
    json_.Close('}');
  }
  json_.Close(']');
}

void PageMaker::AddLevels() {
  json_.Name("levels").Open('[');
  for (const PageLevel& level : input_.levels) {
    json_.Open('{');
    json_.Name("name").Text(level.name);
    json_.Name("ok").Text(VerdictWord(level.result));
    json_.Name("reason").Text(level.reason);
    AddNumbers("witness", level.witness);
    json_.Close('}');
  }
  json_.Close(']');
  json_.Name("staleness").Text(input_.staleness);
}

std::string PageMaker::Facts() const {
  const std::string failed = DescribeFailedCas(input_.recording->failed_cas);
  return absl::StrCat(Counted(history_.operations().size(), "operation"),
                      " of ", Counted(CountClients(history_), "client"), " on ",
                      Counted(history_.partition_count(), "object"),
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
  json_.Open('{');
  json_.Name("title").Text(input_.title);
  json_.Name("verdict").Text(VerdictWord(input_.verdict->result));
  json_.Name("facts").Text(Facts());
  json_.Name("unit").Text(TimeUnitName(input_.recording->unit));
  json_.Name("origin").Text(std::to_string(origin_));
  json_.Name("total").Number(history_.operations().size());
  json_.Name("shown").Number(shown_.size());
  json_.Name("minimal").Raw(example_ != nullptr && example_->minimal ? "true"
                                                                     : "false");
  json_.Name("key").Text(example_ == nullptr
                             ? std::string_view()
                             : history_.partition_name(example_->partition));
  json_.Name("reason").Text(example_ == nullptr ? std::string_view()
                                                : example_->reason);
  AddWrong();
  AddOperations();
  AddEvents();
  AddOrders();
  AddLevels();
  json_.Close('}');
  return std::move(text_);
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
