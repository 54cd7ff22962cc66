#include "sim/tools/page/causes.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <cstdlib>
#include <functional>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"

namespace quorate::sim {
namespace {

using Kind = Observation::Kind;

// The longest lists below one heading, and the most headings of a kind.
constexpr size_t kItemsMax = 24;
constexpr size_t kItemsBehindMax = 4;
constexpr size_t kHeadingsMax = 3;
constexpr size_t kFaultsShownMax = 12;
constexpr size_t kValueBytesMin = 3;
constexpr size_t kValueBytesMax = 20;

bool IsPartOfName(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

// Whether `text` has `name` as a whole word.
bool Names(std::string_view text, std::string_view name) {
  if (name.empty()) return false;
  for (size_t at = text.find(name); at != std::string_view::npos;
       at = text.find(name, at + 1)) {
    const size_t end = at + name.size();
    const bool begins =
        at == 0 || (!IsPartOfName(text[at - 1]) && text[at - 1] != '.');
    const bool ends =
        end >= text.size() || (!IsPartOfName(text[end]) &&
                               (text[end] != '.' || end + 1 >= text.size() ||
                                !IsPartOfName(text[end + 1])));
    if (begins && ends) return true;
  }
  return false;
}

uint64_t NumberAt(std::string_view text) {
  return std::strtoull(std::string(text.substr(0, 20)).c_str(), nullptr, 10);
}

// The numbers that follow `word`, each once, in order.
std::vector<uint64_t> NumbersAfter(std::string_view text,
                                   std::string_view word) {
  std::vector<uint64_t> numbers;
  for (size_t at = text.find(word); at != std::string_view::npos;
       at = text.find(word, at + 1)) {
    const size_t begin = at + word.size();
    if (begin >= text.size() ||
        std::isdigit(static_cast<unsigned char>(text[begin])) == 0 ||
        (at > 0 && IsPartOfName(text[at - 1]))) {
      continue;
    }
    const uint64_t number = NumberAt(text.substr(begin));
    if (std::ranges::find(numbers, number) == numbers.end()) {
      numbers.push_back(number);
    }
  }
  return numbers;
}

// The beginnings of quoted texts, which are values.
std::vector<std::string> ValuesIn(std::string_view text) {
  std::vector<std::string> values;
  for (size_t at = text.find('"'); at != std::string_view::npos;) {
    const size_t end = text.find('"', at + 1);
    if (end == std::string_view::npos) break;
    const size_t size = std::min(end - at - 1, kValueBytesMax);
    if (size >= kValueBytesMin) values.emplace_back(text.substr(at + 1, size));
    at = text.find('"', end + 1);
  }
  return values;
}

// The key of a call: "key: call", or the second word of "GET key".
std::string KeyOf(const ViewedCall& call) {
  const std::string& words = call.words;
  const size_t colon = words.find(": ");
  const size_t space = words.find(' ');
  if (colon != std::string::npos && colon < space) {
    return words.substr(0, colon);
  }
  if (space == std::string::npos) return "";
  const size_t end = words.find_first_of(" ,", space + 1);
  return words.substr(space + 1, end == std::string::npos ? std::string::npos
                                                          : end - space - 1);
}

class Finder {
 public:
  Finder(const ViewedRun& run, const std::string& violation)
      : run_(run), violation_(violation) {
    causes_.focus = run.trace().size();
  }

  Causes Find() {
    AddKeys();
    AddEntries();
    AddMoves();
    AddNodes();
    AddGroups();
    AddFaults();
    return std::move(causes_);
  }

 private:
  struct Item {
    uint64_t record = 0;
    std::vector<Cause> causes;
  };

  void Add(int depth, std::string words, uint64_t record = 0) {
    causes_.list.push_back({depth, std::move(words), record});
  }

  // Back in time. If the items are many, those up to the call that the
  // violation names, and few behind it.
  void AddItems(const std::string& heading, std::vector<Item> items) {
    if (items.empty()) return;
    std::ranges::stable_sort(items, std::ranges::greater(), &Item::record);
    size_t first = 0;
    if (items.size() > kItemsMax && focus_ > 0) {
      while (first < items.size() && items[first].record > focus_) ++first;
      first = std::min(first - std::min(first, kItemsBehindMax),
                       items.size() - kItemsMax);
    }
    Add(0, heading, items[first].record);
    if (first > 0) Add(1, absl::StrCat(first, " later ones"));
    const size_t end = std::min(items.size(), first + kItemsMax);
    for (size_t i = first; i < end; ++i) {
      for (Cause& cause : items[i].causes) {
        causes_.list.push_back(std::move(cause));
      }
    }
    if (end < items.size()) {
      Add(1, absl::StrCat(items.size() - end, " earlier ones"));
    }
  }

  // The last observation of the replica by then. Null: there is none.
  const Observation* StateAt(MachineId machine, const std::string& group,
                             uint64_t record) const {
    const Observation* last = nullptr;
    for (const Observation& one : run_.observations()) {
      if (one.after > record) break;
      if (one.kind == Kind::kReplica && one.machine == machine &&
          one.subject == group) {
        last = &one;
      }
    }
    return last;
  }

  // The event on a node whose turn sent the answer. Zero: unknown.
  uint64_t AnsweredBy(const ViewedCall& call) const {
    uint64_t number = call.end_record;
    for (int steps = 0; steps < 64; ++steps) {
      const TraceRecord* const record = run_.Find(number);
      if (record == nullptr) return 0;
      if (run_.IsNode(record->machine)) return number;
      number = record->cause;
    }
    return 0;
  }

  // "group 1" of "group 1, index 7".
  static std::string GroupOf(const Observation& entry) {
    return entry.subject.substr(0, entry.subject.find(','));
  }

  // ---- Calls and entries.

  Item ItemOf(const ViewedCall& call, const std::set<std::string>& groups,
              const std::vector<const Observation*>& applications) const {
    Item item{.record =
                  call.end.has_value() ? call.end_record : call.begin_record};
    item.causes.push_back(
        {1,
         absl::StrCat(
             call.client, " called ", call.words, " at ", SecondsOf(call.begin),
             call.end.has_value()
                 ? absl::StrCat(", ", call.outcome,
                                call.answer.empty() ? "" : " ", call.answer,
                                " at ", SecondsOf(*call.end))
                 : std::string(", which has not ended")),
         item.record});
    if (!call.end.has_value()) return item;
    const uint64_t number = AnsweredBy(call);
    if (number == 0) return item;
    const MachineId node = run_.Find(number)->machine;
    // Observations of a turn come behind its record.
    uint64_t end = number;
    while (end < run_.trace().size() && run_.Find(end + 1)->machine == node &&
           run_.Find(end + 1)->cause == number) {
      ++end;
    }
    for (const std::string& group : groups) {
      const Observation* const state = StateAt(node, group, end);
      if (state == nullptr) continue;
      item.causes.push_back(
          {2,
           absl::StrCat(run_.NameOf(node), " answered; ", group,
                        " there: ", state->headline, ", ", state->words),
           number});
      AddMissing(call, *state, applications, &item);
      AddOtherLeaders(*state, end, &item);
    }
    return item;
  }

  // The last entry that a replica had applied before the call, and that the
  // replica with this state had not.
  void AddMissing(const ViewedCall& call, const Observation& state,
                  const std::vector<const Observation*>& applications,
                  Item* item) const {
    const std::vector<uint64_t> applied = NumbersAfter(state.words, "applied ");
    if (applied.empty()) return;
    const Observation* missing = nullptr;
    for (const Observation* const entry : applications) {
      if (GroupOf(*entry) != state.subject) continue;
      const std::vector<uint64_t> index =
          NumbersAfter(entry->subject, "index ");
      if (index.empty() || index[0] <= applied[0]) continue;
      if (entry->after <= call.begin_record) missing = entry;
    }
    if (missing == nullptr) return;
    item->causes.push_back(
        {2,
         absl::StrCat(run_.NameOf(state.machine), " had not applied ",
                      missing->subject, " (", missing->words, "), which ",
                      run_.NameOf(missing->machine), " applied at ",
                      SecondsOf(missing->time), ", before the call"),
         missing->after});
  }

  // Other replicas that led the group at that record, as they believed.
  void AddOtherLeaders(const Observation& state, uint64_t record,
                       Item* item) const {
    std::map<MachineId, const Observation*> last;
    for (const Observation& one : run_.observations()) {
      if (one.after > record) break;
      if (one.kind == Kind::kReplica && one.subject == state.subject) {
        last[one.machine] = &one;
      }
    }
    for (const auto& [machine, one] : last) {
      if (machine == state.machine || !one->headline.starts_with("leader")) {
        continue;
      }
      item->causes.push_back(
          {2,
           absl::StrCat(run_.NameOf(machine), " was ", one->headline, " of ",
                        one->subject,
                        " at that time, since it last changed at ",
                        SecondsOf(one->time), ": ", one->words),
           one->after});
    }
  }

  // When the replica had the entry on its disk. Null: never.
  const Observation* OnDisk(const Observation& appended, uint64_t index) const {
    const std::string group = GroupOf(appended);
    for (const Observation& one : run_.observations()) {
      if (one.after < appended.after || one.kind != Kind::kReplica ||
          one.machine != appended.machine || one.subject != group) {
        continue;
      }
      const std::vector<uint64_t> to = NumbersAfter(one.words, "on disk to ");
      if (to.empty()) return nullptr;
      if (to[0] >= index) return &one;
    }
    return nullptr;
  }

  // All that happened to the entry with this subject and these words.
  Item ItemOfEntry(const Observation& first) const {
    Item item{.record = first.after};
    item.causes.push_back(
        {1,
         absl::StrCat(first.subject, ", term ",
                      NumbersAfter(first.headline, "term ").empty()
                          ? 0
                          : NumbersAfter(first.headline, "term ")[0],
                      ": ", first.words),
         first.after});
    const std::vector<uint64_t> index = NumbersAfter(first.subject, "index ");
    std::string appended, durable, applied;
    const auto list = [&](std::string* all, const Observation& one) {
      absl::StrAppend(all, all->empty() ? "" : ", ", run_.NameOf(one.machine),
                      " ", SecondsOf(one.time));
    };
    for (const Observation& one : run_.observations()) {
      if (one.kind != Kind::kEntry || one.subject != first.subject ||
          one.words != first.words) {
        continue;
      }
      if (one.headline.starts_with("appended")) {
        list(&appended, one);
        const Observation* const state =
            StateAt(one.machine, GroupOf(one), one.after);
        if (state != nullptr && state->headline.starts_with("leader")) {
          absl::StrAppend(&appended, " as ", state->headline);
        }
        const Observation* const disk =
            index.empty() ? nullptr : OnDisk(one, index[0]);
        if (disk != nullptr) {
          absl::StrAppend(&durable, durable.empty() ? "" : ", ",
                          run_.NameOf(disk->machine), " ",
                          SecondsOf(disk->time));
        }
      } else if (one.headline.starts_with("applied")) {
        list(&applied, one);
      }
    }
    item.causes.push_back({2, "appended: " + appended, first.after});
    item.causes.push_back(
        {2, "on disk: " + (durable.empty() ? "nowhere" : durable), 0});
    item.causes.push_back(
        {2, "applied: " + (applied.empty() ? "nowhere" : applied), 0});
    return item;
  }

  // The first observations of the entries that `wanted` selects; with
  // `applied`, those of their applications.
  template <typename Wanted>
  std::vector<const Observation*> FirstOf(Wanted&& wanted,
                                          bool applied = false) const {
    std::vector<const Observation*> found;
    std::set<std::pair<std::string, std::string>> known;
    for (const Observation& one : run_.observations()) {
      if (one.kind != Kind::kEntry || !wanted(one)) continue;
      if (!one.headline.starts_with("applied") &&
          (applied || !one.headline.starts_with("appended"))) {
        continue;
      }
      if (known.insert({one.subject, one.words}).second) {
        found.push_back(&one);
      }
    }
    return found;
  }

  void AddKey(const std::string& name, bool whole) {
    const auto matches = [&](const std::string& words) {
      return whole ? Names(words, name) : words.find(name) != std::string::npos;
    };
    std::vector<Item> items;
    std::set<std::string> groups;
    const auto wanted = [&](const Observation& one) {
      return matches(one.words);
    };
    for (const Observation* const entry : FirstOf(wanted)) {
      groups.insert(GroupOf(*entry));
      items.push_back(ItemOfEntry(*entry));
    }
    if (groups.empty()) groups = AllGroups();
    const std::vector<const Observation*> applications = FirstOf(wanted, true);
    size_t violating = 0;
    int best = 0;
    for (const ViewedCall& call : run_.calls()) {
      if (!matches(call.words) && !matches(call.answer)) continue;
      items.push_back(ItemOf(call, groups, applications));
      if (const int likeness = LikenessOf(call); likeness >= best) {
        best = likeness;
        violating = items.size();
      }
    }
    if (violating > 0 && focus_ == 0) {
      Item& item = items[violating - 1];
      item.causes[0].violates = best > 0;
      causes_.focus = focus_ = item.record;
    }
    AddItems(absl::StrCat(whole ? "Calls on " : "Calls and entries with \"",
                          name, whole ? ", and entries that name it" : "\""),
             std::move(items));
  }

  // How much of the call the violation names: its times, its client.
  int LikenessOf(const ViewedCall& call) const {
    int likeness = Names(violation_, call.client) ? 1 : 0;
    if (Names(violation_, absl::StrCat(call.begin.ns()))) likeness += 2;
    if (call.end.has_value() &&
        Names(violation_, absl::StrCat(call.end->ns()))) {
      likeness += 2;
    }
    return likeness;
  }

  std::set<std::string> AllGroups() const {
    std::set<std::string> groups;
    for (const Observation& one : run_.observations()) {
      if (one.kind == Kind::kReplica && one.subject.starts_with("group ")) {
        groups.insert(one.subject);
      }
    }
    if (groups.size() > kHeadingsMax) groups.clear();
    return groups;
  }

  void AddKeys() {
    std::set<std::string> keys;
    for (const ViewedCall& call : run_.calls()) {
      const std::string key = KeyOf(call);
      if (keys.size() < kHeadingsMax && Names(violation_, key)) {
        keys.insert(key);
      }
    }
    for (const std::string& key : keys) AddKey(key, true);
    if (!keys.empty()) return;
    size_t left = kHeadingsMax;
    for (const std::string& value : ValuesIn(violation_)) {
      if (left-- == 0) break;
      AddKey(value, false);
    }
  }

  void AddEntries() {
    std::vector<uint64_t> indices = NumbersAfter(violation_, "index ");
    for (const uint64_t index : NumbersAfter(violation_, "entry ")) {
      indices.push_back(index);
    }
    size_t left = kHeadingsMax;
    for (const uint64_t group : NumbersAfter(violation_, "group ")) {
      for (const uint64_t index : indices) {
        const std::string subject =
            absl::StrCat("group ", group, ", index ", index);
        std::vector<Item> items;
        for (const Observation* const entry :
             FirstOf([&](const Observation& one) {
               return one.subject == subject;
             })) {
          items.push_back(ItemOfEntry(*entry));
        }
        if (items.empty() || left-- == 0) continue;
        AddItems("The entries at " + subject, std::move(items));
      }
    }
  }

  void AddMoves() {
    for (const uint64_t move : NumbersAfter(violation_, "move ")) {
      const std::string name = absl::StrCat("move ", move);
      std::vector<Item> items;
      for (const Observation* const entry :
           FirstOf([&](const Observation& one) {
             return Names(one.words, name);
           })) {
        items.push_back(ItemOfEntry(*entry));
      }
      AddItems("The steps of " + name, std::move(items));
    }
  }

  // ---- Nodes, leaders and faults.

  static bool IsOfNode(const TraceRecord& record) {
    switch (record.kind) {
      case TraceKind::kBoot:
      case TraceKind::kCrash:
      case TraceKind::kDeed:
      case TraceKind::kPartitionBegins:
      case TraceKind::kPartitionEnds:
        return true;
      case TraceKind::kFault:
        return !record.detail.starts_with("stream_");
      default:
        return false;
    }
  }

  std::vector<MachineId> NodesNamed() const {
    std::vector<MachineId> nodes;
    const std::vector<uint64_t> numbers = NumbersAfter(violation_, "node ");
    for (uint32_t i = 1; i <= run_.input().names.size(); ++i) {
      const MachineId machine(i);
      if (!run_.IsNode(machine)) continue;
      const std::string name = run_.NameOf(machine);
      const bool named = Names(violation_, name) ||
                         std::ranges::find_if(numbers, [&](uint64_t number) {
                           return name == absl::StrCat("n", number);
                         }) != numbers.end();
      if (named && nodes.size() < kHeadingsMax) nodes.push_back(machine);
    }
    return nodes;
  }

  void AddNodes() {
    for (const MachineId node : NodesNamed()) {
      std::vector<Item> items;
      const auto add = [&](uint64_t record, SimTime time,
                           const std::string& words) {
        items.push_back(
            {record,
             {{1, absl::StrCat(SecondsOf(time), ": ", words), record}}});
      };
      for (size_t i = 0; i < run_.trace().size(); ++i) {
        const TraceRecord& record = run_.trace()[i];
        if (record.machine != node || !IsOfNode(record) || IsRepeated(record)) {
          continue;
        }
        add(i + 1, record.time, run_.WordsOf(record));
      }
      std::map<std::string, std::string> headlines;
      for (const Observation& one : run_.observations()) {
        if (one.machine != node) continue;
        if (one.kind == Kind::kLog && one.subject == "warning") {
          add(one.after, one.time, "logs: " + one.words);
        } else if (one.kind == Kind::kReplica) {
          if (std::exchange(headlines[one.subject], one.headline) ==
              one.headline) {
            continue;
          }
          add(one.after, one.time,
              absl::StrCat(one.subject, " is ", one.headline, ", ", one.words));
        } else if (one.kind == Kind::kEntry &&
                   !one.headline.starts_with("ap")) {
          add(one.after, one.time,
              absl::StrCat(one.subject, " ", one.headline));
        }
      }
      AddItems("The history of " + run_.NameOf(node), std::move(items));
    }
  }

  void AddGroups() {
    size_t left = kHeadingsMax;
    for (const uint64_t number : NumbersAfter(violation_, "group ")) {
      const std::string group = absl::StrCat("group ", number);
      std::vector<Item> items;
      std::map<MachineId, std::string> headlines;
      for (const Observation& one : run_.observations()) {
        if (one.kind != Kind::kReplica || one.subject != group) continue;
        std::string& known = headlines[one.machine];
        if (std::exchange(known, one.headline) == one.headline) continue;
        if (one.headline.starts_with("follower of term")) continue;
        items.push_back(
            {one.after,
             {{1,
               absl::StrCat(SecondsOf(one.time), ": ", run_.NameOf(one.machine),
                            " is ", one.headline, ", ", one.words),
               one.after}}});
      }
      if (items.empty() || left-- == 0) continue;
      AddItems("The leaders of " + group, std::move(items));
    }
  }

  void AddFaults() {
    std::vector<Item> items;
    for (size_t i = run_.trace().size(); i-- > 0;) {
      const TraceRecord& record = run_.trace()[i];
      if (i + 1 > causes_.focus || IsRepeated(record)) continue;
      const bool fault = record.kind == TraceKind::kCrash ||
                         record.kind == TraceKind::kDeed ||
                         record.kind == TraceKind::kFault ||
                         record.kind == TraceKind::kPartitionBegins;
      if (!fault || record.detail.starts_with("stream_")) continue;
      items.push_back({i + 1,
                       {{1,
                         absl::StrCat(SecondsOf(record.time), ": ",
                                      run_.NameOf(record.machine), " ",
                                      run_.WordsOf(record)),
                         i + 1}}});
      if (items.size() == kFaultsShownMax) break;
    }
    AddItems("The last faults before it", std::move(items));
  }

  const ViewedRun& run_;
  const std::string& violation_;
  Causes causes_;
  uint64_t focus_ = 0;  // That of the first key or value. Zero: none yet.
};

}  // namespace

Causes CausesOf(const ViewedRun& run) {
  if (run.input().violations.empty()) {
    return {.list = {}, .focus = run.trace().size()};
  }
  return Finder(run, run.input().violations[0]).Find();
}

}  // namespace quorate::sim
