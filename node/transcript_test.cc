// Replays transcripts of testdata/ with one server: requests and the exact
// bytes of their replies.
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "node/testing/test_cluster.h"

namespace quorate::node {
namespace {

struct Exchange {
  int line = 0;
  std::vector<std::string> words;
  std::string reply;  // Escaped.
};

// Splits at spaces; spaces inside double quotes are kept.
std::vector<std::string> SplitWords(const std::string& text) {
  std::vector<std::string> words;
  std::string word;
  bool quoted = false;
  bool any = false;
  for (const char c : text) {
    if (c == '"') {
      quoted = !quoted;
      any = true;
    } else if (c == ' ' && !quoted) {
      if (any) words.push_back(word);
      word.clear();
      any = false;
    } else {
      word.push_back(c);
      any = true;
    }
  }
  if (any) words.push_back(word);
  return words;
}

std::string Escape(const std::string& bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\r') {
      text += "\\r";
    } else if (c == '\n') {
      text += "\\n";
    } else if (c == '\\') {
      text += "\\\\";
    } else if (byte < 32 || byte > 126) {
      text += "\\x";
      text += kDigits[byte >> 4];
      text += kDigits[byte & 15];
    } else {
      text += c;
    }
  }
  return text;
}

std::vector<Exchange> ReadTranscript(const std::string& name) {
  std::ifstream file("node/testdata/" + name);
  std::vector<Exchange> exchanges;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    if (line.empty() || line[0] == '#') continue;
    if (line.starts_with("> ")) {
      exchanges.push_back({number, SplitWords(line.substr(2)), ""});
    } else {
      exchanges.back().reply = line;
    }
  }
  return exchanges;
}

void Replay(const std::string& name, TestCluster& cluster, TestClient& client) {
  const auto exchanges = ReadTranscript(name);
  ASSERT_FALSE(exchanges.empty()) << name;
  for (const Exchange& exchange : exchanges) {
    const std::vector<std::string_view> words(exchange.words.begin(),
                                              exchange.words.end());
    EXPECT_EQ(Escape(cluster.Command(client, words)), exchange.reply)
        << name << ":" << exchange.line;
  }
}

TEST(Transcript_Commands, AnswersAsRedisDoes) {
  TestCluster cluster;
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectRespCluster(0);
  Replay("commands.txt", cluster, *client);
}

}  // namespace
}  // namespace quorate::node
