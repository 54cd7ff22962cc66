// Pages of an ordered scan, over a store that visits keys in any order.
#include "node/http/ordered_scan.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "kv/slots/slot_scan.h"
#include "node/base/text.h"
#include "rapidcheck/gtest.h"

namespace quorate::node {
namespace {

using Keys = std::map<std::string, std::string>;

std::string Encoded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.' ||
        c == '_' || c == '~') {
      out.push_back(c);
      continue;
    }
    char hex[4];
    std::snprintf(hex, sizeof(hex), "%%%02X", static_cast<unsigned char>(c));
    out += hex;
  }
  return out;
}

// The keys of one slot in the reverse order, in steps of a fixed size.
class FakeStore {
 public:
  FakeStore(Keys keys, std::vector<std::string> split_keys, size_t step)
      : keys_(std::move(keys)),
        slots_(kv::MakeSlotStrategy(
            {Partitioner::kKeyRanges,
             static_cast<uint32_t>(split_keys.size() + 1), split_keys})),
        step_(step) {}

  std::string Page(OrderedScan::Range range) {
    OrderedScan scan(std::move(range), *slots_);
    while (!scan.done()) {
      const kv::CommandSpec question = scan.Question(10);
      kv::ResultBuilder builder({});
      question.op == kv::Op::kScan ? Scan(question, &builder)
                                   : Get(question, &builder);
      const Buffer answer = builder.Finish();
      kv::ResultReader reader(answer.view());
      EXPECT_TRUE(scan.Take(reader.Next()).has_value());
    }
    return scan.TakePage();
  }
  void Remove(const std::string& key) { removed_ = key; }

 private:
  void Scan(const kv::CommandSpec& question, kv::ResultBuilder* builder) {
    const auto cursor = static_cast<uint64_t>(question.numbers[0]);
    EXPECT_EQ(kv::CursorSlot(cursor), question.slot);
    std::vector<std::string> keys;
    for (const auto& [key, value] : keys_) {
      if (slots_->SlotOf(key) == question.slot) keys.push_back(key);
    }
    std::reverse(keys.begin(), keys.end());
    const size_t begin = kv::CursorPosition(cursor).value * step_;
    const size_t end = std::min(begin + step_, keys.size());
    const uint64_t next =
        end == keys.size() ? 0 : kv::MakeCursor(question.slot, {end / step_});
    builder->BeginArray({}, static_cast<uint32_t>(end - begin + 1));
    builder->AddElement(Concat(next));
    for (size_t i = begin; i < end; ++i) builder->AddElement(keys[i]);
    builder->EndArray();
  }
  void Get(const kv::CommandSpec& question, kv::ResultBuilder* builder) {
    const std::string key(question.arguments[0]);
    EXPECT_EQ(slots_->SlotOf(key), question.slot);
    if (key == removed_) {
      return builder->AddNone({.status = kv::ResultStatus::kNil});
    }
    builder->AddBytes({}, keys_.at(key));
  }

  const Keys keys_;
  const std::unique_ptr<const kv::SlotStrategy> slots_;
  const size_t step_;
  std::optional<std::string> removed_;
};

TEST(OrderedScan, Page_HasKeysInTheirOrder) {
  FakeStore store({{"a", "1"}, {"b c", "2"}, {"m", "3"}, {"\xff", "4"}},
                  {"g", "n"}, 1);
  EXPECT_EQ(store.Page({}),
            "{\"items\":[{\"key\":\"a\"},{\"key\":\"b%20c\"},{\"key\":\"m\"},"
            "{\"key\":\"%FF\"}],\"next\":null}\n");
  EXPECT_EQ(
      store.Page({.from = "b", .to = "n"}),
      "{\"items\":[{\"key\":\"b%20c\"},{\"key\":\"m\"}],\"next\":null}\n");
  EXPECT_EQ(store.Page({.from = "x", .to = "x"}),
            "{\"items\":[],\"next\":null}\n");
}

TEST(OrderedScan, FullPage_NamesTheNextKey) {
  FakeStore store({{"a", "1"}, {"b", "2"}, {"m", "3"}}, {"g"}, 9);
  // The least key that was left out, or else the least key behind the page.
  EXPECT_EQ(store.Page({.limit = 1}),
            "{\"items\":[{\"key\":\"a\"}],\"next\":\"b\"}\n");
  EXPECT_EQ(
      store.Page({.limit = 2}),
      "{\"items\":[{\"key\":\"a\"},{\"key\":\"b\"}],\"next\":\"b%00\"}\n");
  EXPECT_EQ(store.Page({.from = std::string("b\0", 2), .limit = 1}),
            "{\"items\":[{\"key\":\"m\"}],\"next\":null}\n");
}

TEST(OrderedScan, Values_AreThoseOfKeysThatAreStillThere) {
  FakeStore store({{"a", "1 2"}, {"b", ""}, {"c", "3"}}, {"g"}, 2);
  store.Remove("c");
  EXPECT_EQ(store.Page({.values = true}),
            "{\"items\":[{\"key\":\"a\",\"value\":\"1%202\"},"
            "{\"key\":\"b\",\"value\":\"\"}],\"next\":null}\n");
}

TEST(OrderedScan, LargeValues_EndThePage) {
  const std::string large(OrderedScan::kPageBytesMax, 'v');
  FakeStore store({{"a", large}, {"b", large}}, {"g"}, 2);
  EXPECT_EQ(store.Page({.values = true}),
            Concat("{\"items\":[{\"key\":\"a\",\"value\":\"", large,
                   "\"}],\"next\":\"b\"}\n"));
}

// A short key behind a long one that has no room waits as well.
TEST(OrderedScan, LongKeys_EndThePage) {
  const std::string half(OrderedScan::kPageBytesMax / 2, 'k');
  FakeStore store({{"a" + half, ""}, {"b" + half, ""}, {"c", ""}}, {"x"}, 1);
  EXPECT_EQ(store.Page({}), Concat("{\"items\":[{\"key\":\"a", half,
                                   "\"}],\"next\":\"b", half, "\"}\n"));
}

TEST(OrderedScan, OtherAnswers_AreReported) {
  const auto slots = kv::MakeSlotStrategy({Partitioner::kKeyRanges, 1});
  OrderedScan scan({}, *slots);
  (void)scan.Question(1);
  kv::ResultBuilder builder({});
  builder.BeginArray({}, 1);
  builder.AddElement("no cursor");
  builder.EndArray();
  const Buffer answer = builder.Finish();
  EXPECT_EQ(scan.Take(kv::ResultReader(answer.view()).Next()), std::nullopt);
}

// All pages together have each key of the range once, in order.
RC_GTEST_PROP(OrderedScan, Pages_HaveEachKeyOnce, ()) {
  const auto names = *rc::gen::container<std::vector<std::string>>(
      rc::gen::container<std::string>(rc::gen::element('a', 'b', 'c', '\0')));
  Keys keys;
  for (const std::string& name : names) keys[name] = "v";
  const bool values = *rc::gen::arbitrary<bool>();
  FakeStore store(keys, {"ab", "b", "ba"}, *rc::gen::inRange<size_t>(1, 5));
  const auto limit = *rc::gen::inRange<uint32_t>(1, 6);
  std::string seen;
  std::string from;
  while (true) {
    const std::string page =
        store.Page({.from = from, .limit = limit, .values = values});
    const size_t end = page.find("],\"next\":");
    const std::string items = page.substr(10, end - 10);
    if (!items.empty()) Append(&seen, seen.empty() ? "" : ",", items);
    const std::string next = page.substr(end + 9);
    if (next == "null}\n") break;
    from.clear();
    for (size_t i = 1; next[i] != '"'; ++i) {
      const bool zero = next[i] == '%';
      from.push_back(zero ? '\0' : next[i]);
      if (zero) i += 2;
    }
  }
  std::string all;
  for (const auto& [key, value] : keys) {
    Append(&all, all.empty() ? "" : ",", "{\"key\":\"", Encoded(key),
           values ? "\",\"value\":\"v\"}" : "\"}");
  }
  RC_ASSERT(seen == all);
}

}  // namespace
}  // namespace quorate::node
