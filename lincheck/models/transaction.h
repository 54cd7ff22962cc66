// lincheck/models/transaction.h: several keys of one partition, read and
// written together.
//
// A transaction is a list (value_list.h) of triples: what, key, value. "r"
// reads the key, "w" writes it, and "append" appends a string to it. The result
// repeats the list with the values read. The value of an "r" in the argument
// has no meaning.
#ifndef QUORATE_LINCHECK_MODELS_TRANSACTION_H_
#define QUORATE_LINCHECK_MODELS_TRANSACTION_H_

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lincheck/models/sight.h"
#include "lincheck/models/value_list.h"

namespace quorate::lincheck {

struct Transaction {
  enum Function : uint8_t {
    kTransact,  // (list of triples) -> the same list with the values read
  };
  using State = std::vector<std::pair<Datum, Datum>>;  // By key, in order.
  // The value of every key that is not in a state.
  Datum initial;
  State Initial() const { return {}; }

  bool Step(State& state, const Operation& op) const {
    std::vector<Datum> wanted;
    std::vector<Datum> got;
    if (op.function != kTransact || !Parse(op.argument, &wanted)) return false;
    const bool says = op.says();
    if (says && (!Parse(op.result, &got) || !Repeats(got, wanted))) {
      return false;
    }
    for (size_t i = 0; i < wanted.size(); i += 3) {
      Datum& value = At(state, wanted[i + 1]);
      const std::string_view what = wanted[i].bytes();
      if (what == "w") {
        value = wanted[i + 2];
      } else if (what == "append") {
        value.Append(wanted[i + 2].bytes());
      } else if (says && got[i + 2] != value) {
        return false;
      }
    }
    std::erase_if(state,
                  [&](const auto& row) { return row.second == initial; });
    return true;
  }
  bool IsRead(const Operation& op) const {
    std::vector<Datum> wanted;
    if (!Parse(op.argument, &wanted)) return false;
    for (size_t i = 0; i < wanted.size(); i += 3) {
      if (wanted[i].bytes() != "r") return false;
    }
    return true;
  }
  // By key. Keys that no operation reads do not matter.
  using Sight = std::map<Datum, lincheck::Sight>;
  bool Look(const Operation& op, Sight* sight) const {
    std::vector<Datum> got;
    if (!op.says()) return true;
    if (!Parse(op.result, &got)) return true;  // It is impossible.
    for (size_t i = 0; i < got.size(); i += 3) {
      if (got[i].bytes() == "r") (*sight)[got[i + 1]].Add(got[i + 2]);
    }
    return true;
  }
  void Blur(const Sight& sight, State* state) const {
    std::erase_if(*state,
                  [&](const auto& row) { return !sight.contains(row.first); });
    for (auto& [key, value] : *state) sight.find(key)->second.Blur(&value);
  }
  bool LooksBeyondCall(const Operation&) const { return false; }
  std::string_view Name(uint8_t function) const {
    return function == kTransact ? "txn" : "?";
  }
  std::string Describe(const State& state) const {
    const std::string others =
        initial.is_nil() ? "" : "others: " + initial.ToString();
    if (state.empty()) return initial.is_nil() ? "empty" : "{" + others + "}";
    std::string text = "{";
    for (const auto& [key, value] : state) {
      if (text.size() > 1) text += ", ";
      text += key.ToString() + ": " + value.ToString();
    }
    if (!others.empty()) text += ", " + others;
    return text + "}";
  }
  // txn(read "x" = 1, write "y" = 2, append "a" to "z")
  CallInWords InWords(const Operation& op) const {
    std::vector<Datum> calls;
    std::vector<Datum> got;
    if (!Parse(op.argument, &calls)) return {};
    const bool says = op.says();
    if (says && (!Parse(op.result, &got) || !Repeats(got, calls))) return {};
    std::string text = "txn(";
    for (size_t i = 0; i < calls.size(); i += 3) {
      if (i > 0) text += ", ";
      const std::string key = calls[i + 1].ToString();
      const std::string value = (says ? got : calls)[i + 2].ToString();
      if (calls[i].bytes() == "append") {
        text += "append " + value + " to " + key;
      } else if (calls[i].bytes() == "w") {
        text += "write " + key + " = " + value;
      } else {
        text += "read " + key + (says ? " = " + value : "");
      }
    }
    return {.call = text + (op.known() ? ")" : ") = ?"), .result = {}};
  }

  // Reads the triples of a transaction, or of its result. Returns the mistake
  // in them; empty: there is none.
  static std::string_view Read(Value value, std::vector<Datum>* triples) {
    if (!value.is_string() || !ParseList(value.bytes(), triples)) {
      return "not a list of values";
    }
    if (triples->size() % 3 != 0) return "a transaction is a list of triples";
    for (size_t i = 0; i < triples->size(); i += 3) {
      const std::string_view what = (*triples)[i].bytes();
      if (what != "r" && what != "w" && what != "append") {
        return "what a transaction does is \"r\", \"w\" or \"append\"";
      }
      if (what == "append" && !(*triples)[i + 2].is_string()) {
        return "append takes a string";
      }
    }
    return "";
  }
  // Whether `got` is `wanted` with other values read.
  static bool Repeats(const std::vector<Datum>& got,
                      const std::vector<Datum>& wanted) {
    if (got.size() != wanted.size()) return false;
    for (size_t i = 0; i < got.size(); ++i) {
      const bool read = i % 3 == 2 && wanted[i - 2].bytes() == "r";
      if (!read && got[i] != wanted[i]) return false;
    }
    return true;
  }

 private:
  static bool Parse(Value value, std::vector<Datum>* triples) {
    return Read(value, triples).empty();
  }
  Datum& At(State& state, const Datum& key) const {
    auto at = std::lower_bound(
        state.begin(), state.end(), key,
        [](const auto& row, const Datum& k) { return row.first < k; });
    if (at == state.end() || at->first != key) {
      at = state.insert(at, {key, initial});
    }
    return at->second;
  }
};
template <>
inline constexpr bool kHooksAreTested<Transaction> = true;

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_MODELS_TRANSACTION_H_
