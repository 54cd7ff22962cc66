#include "node/config/key_names.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "node/base/text.h"

namespace quorate::node {
namespace {

std::string_view TableOf(std::string_view key) {
  const size_t dot = key.rfind('.');
  return dot == key.npos ? std::string_view() : key.substr(0, dot);
}

// "[limits]" or "[[nodes]]".
std::string InBrackets(std::string_view table) {
  if (!table.ends_with("[]")) return Concat("[", table, "]");
  table.remove_suffix(2);
  return Concat("[[", table, "]]");
}

size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1,
                         diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

bool IsTable(std::string_view table, KeyNameList keys) {
  return std::any_of(keys.begin(), keys.end(), [&](std::string_view key) {
    return TableOf(key) == table;
  });
}

std::string_view NearestKey(std::string_view name, KeyNameList keys) {
  std::string_view nearest;
  size_t least = std::numeric_limits<size_t>::max();
  for (const std::string_view key : keys) {
    const size_t distance = EditDistance(name, key);
    if (distance < least) {
      least = distance;
      nearest = key;
    }
  }
  return nearest;
}

std::string KeysBeside(std::string_view name, KeyNameList keys) {
  // Below a table that there is, the name may go on with others.
  std::string_view table = TableOf(name);
  while (!table.empty() && !IsTable(table, keys)) table = TableOf(table);
  const bool known = !table.empty();
  std::vector<std::string> shown;
  for (const std::string_view key : keys) {
    const std::string_view own = TableOf(key);
    if (known && own != table) continue;
    std::string one =
        known ? std::string(key.substr(own.size() + 1)) : InBrackets(own);
    const bool again =
        std::find(shown.begin(), shown.end(), one) != shown.end();
    if (!again) shown.push_back(std::move(one));
  }
  std::string text =
      known ? Concat(InBrackets(table), " has ") : "the tables are ";
  for (size_t i = 0; i < shown.size(); ++i) {
    Append(&text,
           i == 0                  ? ""
           : i + 1 == shown.size() ? " and "
                                   : ", ",
           shown[i]);
  }
  return text;
}

}  // namespace quorate::node
