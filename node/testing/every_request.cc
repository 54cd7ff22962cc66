#include "node/testing/every_request.h"

#include <cstddef>
#include <cstdlib>

#include "node/base/text.h"
#include "node/commands/command_table.h"

namespace quorate::node {
namespace {

// Requests of commands whose arguments have a form of their own.
std::vector<RequestWords> FormedRequests() {
  return {
      {"SET", "foo", "v", "EX", "10", "GET"},
      {"SET", "foo", "v", "NX", "PX", "10"},
      {"GETEX", "foo", "EX", "10"},
      {"GETRANGE", "foo", "0", "-1"},
      {"SETRANGE", "foo", "1", "v"},
      {"SETBIT", "foo", "7", "1"},
      {"GETBIT", "foo", "7"},
      {"INCRBY", "foo", "2"},
      {"INCRBYFLOAT", "foo", "2.5"},
      {"SETEX", "foo", "10", "v"},
      {"EXPIRE", "foo", "10", "NX"},
      {"PEXPIREAT", "foo", "10000000000000"},
      {"MSET", "{f}a", "1", "{f}b", "2"},
      {"MGET", "{f}a", "{f}b", "foo"},
      {"KEYS", "*"},
      {"SCAN", "0", "MATCH", "*", "COUNT", "10"},
      {"FLUSHALL", "ASYNC"},
      {"FLUSHDB", "SYNC"},
      {"OBJECT", "ENCODING", "foo"},
      {"MEMORY", "USAGE", "foo"},
      {"HELLO", "3", "AUTH", "default", "x", "SETNAME", "a"},
      {"HELLO", "2"},
      {"AUTH", "x"},
      {"AUTH", "default", "x"},
      {"SELECT", "0"},
      {"QUORATE.CONSISTENCY", "EVENTUAL"},
      {"QUORATE.SLOTS"},
      {"CLIENT", "SETNAME", "a"},
      {"CLIENT", "SETINFO", "LIB-NAME", "a"},
      {"CLIENT", "LIST", "TYPE", "normal"},
      {"CLIENT", "LIST", "ID", "1", "2"},
      {"CLIENT", "NO-EVICT", "ON"},
      {"CLIENT", "NO-TOUCH", "OFF"},
      {"CLIENT", "PAUSE", "0"},
      {"CLIENT", "REPLY", "ON"},
      {"CLIENT", "REPLY", "OFF"},
      {"CLIENT", "REPLY", "SKIP"},
      {"CLIENT", "KILL", "ID", "1"},
      {"CLIENT", "TRACKING", "OFF"},
      {"COMMAND", "INFO", "get", "role"},
      {"COMMAND", "DOCS", "get"},
      {"COMMAND", "GETKEYS", "MGET", "a", "b"},
      {"COMMAND", "GETKEYSANDFLAGS", "MGET", "a", "b"},
      {"COMMAND", "LIST", "FILTERBY", "PATTERN", "c*"},
      {"INFO", "everything"},
      {"INFO", "replication"},
      {"INFO", "keyspace"},
      {"CONFIG", "GET", "*"},
      {"CONFIG", "SET", "maxmemory", "1gb"},
      {"WAIT", "1", "0"},
      {"CLUSTER", "KEYSLOT", "foo"},
      {"CLUSTER", "COUNTKEYSINSLOT", "12182"},
      {"CLUSTER", "GETKEYSINSLOT", "12182", "10"},
      {"CLUSTER", "REPLICAS", "0000000000000000000000000000000000000000"},
      {"QUORATE.DO", "1", "1", "1", "SET", "foo", "v"},
  };
}

// The row's name, and so many words in total.
RequestWords Request(const CommandRow& row, size_t count,
                     std::string_view word) {
  RequestWords words;
  const size_t bar = row.name.find('|');
  words.push_back(row.name.substr(0, bar));
  if (bar != std::string_view::npos) words.push_back(row.name.substr(bar + 1));
  if (words.size() < count) words.resize(count, word);
  return words;
}

}  // namespace

std::vector<RequestWords> EveryRequest() {
  std::vector<RequestWords> requests = FormedRequests();
  for (const CommandRow& row : AllCommands()) {
    const size_t least = static_cast<size_t>(std::abs(row.arity));
    for (const size_t count : {least - 1, least, least + 1, least + 2}) {
      for (const std::string_view word : {"foo", "1"}) {
        requests.push_back(Request(row, count, word));
      }
    }
  }
  return requests;
}

std::string LineOf(const RequestWords& words) {
  std::string line;
  for (const std::string_view word : words) Append(&line, word, " ");
  return line;
}

}  // namespace quorate::node
