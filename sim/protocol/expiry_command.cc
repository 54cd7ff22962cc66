#include "sim/protocol/expiry_command.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "env/check.h"

namespace quorate::sim {
namespace {

using Verb = ExpiryCommand::Verb;
using TimeForm = ExpiryCommand::TimeForm;
using If = ExpiryCommand::If;

// Lifetimes: some are shorter than a fault, some longer than an outage.
constexpr int64_t kLifetimesMs[] = {20, 100, 400, 1'000, 3'000, 8'000};
constexpr uint64_t kSecondsMax = 6;

constexpr std::pair<uint64_t, Verb> kVerbs[] = {
    {26, Verb::kGet},        {30, Verb::kExists}, {36, Verb::kTtl},
    {40, Verb::kExpireTime}, {64, Verb::kSet},    {70, Verb::kAppend},
    {73, Verb::kTake},       {76, Verb::kDelete}, {90, Verb::kExpire},
    {94, Verb::kPersist},    {100, Verb::kGetEx}};

std::string_view ConditionWord(If condition) {
  constexpr std::string_view kWords[] = {"", "NX", "XX", "GT", "LT"};
  return kWords[static_cast<size_t>(condition)];
}

std::string_view OptionWord(TimeForm form) {
  constexpr std::string_view kWords[] = {"",     "EX",      "PX",     "EXAT",
                                         "PXAT", "KEEPTTL", "PERSIST"};
  return kWords[static_cast<size_t>(form)];
}

void AddOption(const ExpiryCommand& call, std::vector<std::string>* words) {
  if (call.time_form == TimeForm::kNone) return;
  words->emplace_back(OptionWord(call.time_form));
  if (call.has_time()) words->push_back(absl::StrCat(call.time));
}

std::vector<std::string> SetWords(const ExpiryCommand& call) {
  const std::string time = absl::StrCat(call.time);
  if (call.verb_with_time) {
    return {call.in_seconds() ? "SETEX" : "PSETEX", call.key, time, call.text};
  }
  std::vector<std::string> words = {"SET", call.key, call.text};
  AddOption(call, &words);
  if (call.condition != If::kAlways) {
    words.emplace_back(ConditionWord(call.condition));
  }
  if (call.want_old) words.emplace_back("GET");
  return words;
}

std::vector<std::string> ExpireWords(const ExpiryCommand& call) {
  constexpr std::string_view kNames[] = {"", "EXPIRE", "PEXPIRE", "EXPIREAT",
                                         "PEXPIREAT"};
  std::vector<std::string> words = {
      std::string(kNames[static_cast<size_t>(call.time_form)]), call.key,
      absl::StrCat(call.time)};
  if (call.condition != If::kAlways) {
    words.emplace_back(ConditionWord(call.condition));
  }
  return words;
}

}  // namespace

ExpiryCommand DrawExpiryCommand(
    uint32_t client, std::string key, int64_t now_ms,
    absl::FunctionRef<uint64_t(Site site, uint64_t bound)> below,
    absl::FunctionRef<std::string()> text) {
  ExpiryCommand call{.client = client, .key = std::move(key)};
  const uint64_t action = below("timed.verb", 100);
  for (const auto& [end, verb] : kVerbs) {
    call.verb = verb;
    if (action < end) break;
  }
  call.time_form = static_cast<TimeForm>(1 + below("timed.form", 4));
  if (call.relative() && call.in_seconds()) {
    call.time = 1 + static_cast<int64_t>(below("timed.seconds", kSecondsMax));
  } else {
    const int64_t most =
        kLifetimesMs[below("timed.magnitude", std::size(kLifetimesMs))];
    call.time = 1 + static_cast<int64_t>(
                        below("timed.ms", static_cast<uint64_t>(most)));
    if (call.absolute()) call.time += now_ms;
    if (call.in_seconds()) call.time = call.time / 1000 + 1;
  }
  const bool takes_time = call.verb == Verb::kSet ||
                          call.verb == Verb::kExpire ||
                          call.verb == Verb::kGetEx;
  const bool takes_unit =
      call.verb == Verb::kTtl || call.verb == Verb::kExpireTime;
  if (!takes_time && !takes_unit) call.time_form = TimeForm::kNone;
  const uint64_t how = below("timed.how", 10);
  if (call.verb == Verb::kSet) {
    call.text = text();
    if (how < 2) call.time_form = how == 0 ? TimeForm::kNone : TimeForm::kKeep;
    call.verb_with_time = how == 2 && call.relative();
    if (how > 6) call.condition = how == 7 ? If::kNx : If::kXx;
    call.want_old = how > 2 && below("timed.old", 6) == 0;
  } else if (call.verb == Verb::kAppend) {
    call.text = text();
  } else if (call.verb == Verb::kExpire && how < 5) {
    call.condition = static_cast<If>(how);
  } else if (call.verb == Verb::kGetEx && how < 3) {
    call.time_form = TimeForm::kPersist;
  }
  return call;
}

std::vector<std::string> WordsOf(const ExpiryCommand& call) {
  switch (call.verb) {
    case Verb::kGet:
      return {"GET", call.key};
    case Verb::kExists:
      return {"EXISTS", call.key};
    case Verb::kTtl:
      return {call.in_seconds() ? "TTL" : "PTTL", call.key};
    case Verb::kExpireTime:
      return {call.in_seconds() ? "EXPIRETIME" : "PEXPIRETIME", call.key};
    case Verb::kSet:
      return SetWords(call);
    case Verb::kAppend:
      return {"APPEND", call.key, call.text};
    case Verb::kTake:
      return {"GETDEL", call.key};
    case Verb::kDelete:
      return {"DEL", call.key};
    case Verb::kExpire:
      return ExpireWords(call);
    case Verb::kPersist:
      return {"PERSIST", call.key};
    case Verb::kGetEx: {
      std::vector<std::string> words = {"GETEX", call.key};
      AddOption(call, &words);
      return words;
    }
  }
  CHECK(false) << "verb " << static_cast<int>(call.verb);
  return {};
}

std::string VerbName(ExpiryCommand::Verb verb) {
  constexpr std::string_view kNames[] = {
      "get",    "exists", "ttl",    "expiretime", "set",  "append",
      "getdel", "del",    "expire", "persist",    "getex"};
  return absl::StrCat("timed_", std::string(kNames[static_cast<size_t>(verb)]));
}

std::string Describe(const ExpiryCommand& call) {
  std::string text = absl::StrCat("client ", call.client, ":");
  for (const std::string& word : WordsOf(call)) {
    absl::StrAppend(&text, " ", word.substr(0, 24));
  }
  return text;
}

}  // namespace quorate::sim
