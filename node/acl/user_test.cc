#include "node/acl/user.h"

#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "node/commands/command_table.h"

namespace quorate::node {
namespace {

constexpr std::string_view kDigestOfX =
    "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";

std::vector<std::string_view> Split(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    words.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

AclUser UserWith(std::string_view rules) {
  AclUser user("anna");
  EXPECT_EQ(user.ApplyText(rules), "");
  return user;
}

std::string RulesAfter(std::string_view rules) {
  return UserWith(rules).Rules();
}

// Empty: the request is allowed.
std::string Refusal(const AclUser& user, std::string_view request) {
  const std::vector<std::string_view> words = Split(request);
  const CommandLookup lookup = LookUp(words);
  EXPECT_NE(lookup.spec, nullptr) << lookup.error;
  const AclDenial denial = user.Check(*lookup.spec, words);
  return denial.allowed() ? "" : DenialText(*lookup.spec, words, denial, true);
}

std::string NoCommand(std::string_view name) {
  return "this user has no permissions to run the '" + std::string(name) +
         "' command";
}
std::string NoKey(std::string_view key) {
  return "this user has no permissions to access the '" + std::string(key) +
         "' key";
}

TEST(AclUserTest, NewUser_WithoutRules_IsOffAndMayNothing) {
  AclUser user("anna");
  EXPECT_EQ(user.Rules(), "off resetchannels -@all");
  EXPECT_FALSE(user.AcceptsPassword(""));
  EXPECT_EQ(Refusal(user, "get a"), NoCommand("get"));
  EXPECT_EQ(user.role(), AdminRole::kNone);
}

TEST(AclUserTest, OpenUser_OfANewCluster_MayAll) {
  const AclUser user = AclUser::Open();
  EXPECT_EQ(user.Rules(), "on nopass role:operator ~* &* +@all");
  EXPECT_TRUE(user.open());
  EXPECT_TRUE(user.AcceptsPassword("anything"));
  EXPECT_EQ(Refusal(user, "flushall"), "");
  EXPECT_EQ(user.role(), AdminRole::kOperator);
}

// The rules and texts of redis-server 7.0.15.
TEST(AclUserTest, Rules_WithAnError_ChangeNothing) {
  const std::string before = "on ~* &* -@all +get";
  const std::string pattern =
      "Adding a pattern after the * pattern (or the 'allkeys' flag) is not "
      "valid and does not have any effect. Try 'resetkeys' to start with an "
      "empty list of patterns";
  const struct {
    std::string rule, why;
  } cases[] = {
      {"+nosuch", "Unknown command or category name in ACL"},
      {"-get|x", "Unknown command or category name in ACL"},
      {"+@nosuch", "Unknown command or category name in ACL"},
      {"+client|nosuch", "Unknown command or category name in ACL"},
      {"+client|id|x", "Allowing first-arg of a subcommand is not supported"},
      {"+get|", "Syntax error"},
      {"foo", "Syntax error"},
      {"(on)", "Syntax error"},
      {"(+nosuch)", "Unknown command or category name in ACL"},
      {"~a", pattern},
      {"%X~a", pattern},
      {"&a",
       "Adding a pattern after the * pattern (or the 'allchannels' flag) is "
       "not valid and does not have any effect. Try 'resetchannels' to start "
       "with an empty list of channels"},
      {"#abc",
       "The password hash must be exactly 64 characters and contain only "
       "lowercase hexadecimal characters"},
      {"<nosuch",
       "The password you are trying to remove from the user does not exist"},
  };
  for (const auto& [rule, why] : cases) {
    AclUser user = UserWith(before);
    EXPECT_EQ(user.Apply({"off", rule}),
              "Error in ACL SETUSER modifier '" + rule + "': " + why);
    EXPECT_EQ(user.Rules(), before);
  }
  AclUser user("anna");
  EXPECT_EQ(user.Apply({"%X~a"}),
            "Error in ACL SETUSER modifier '%X~a': Syntax error");
  EXPECT_EQ(user.Apply({"%~a"}),
            "Error in ACL SETUSER modifier '%~a': Syntax error");
  EXPECT_EQ(user.Apply({"%RR~a"}),
            "Error in ACL SETUSER modifier '%RR~a': Syntax error");
  EXPECT_EQ(user.Apply({"~a b"}),
            "Error in ACL SETUSER modifier '~a b': Syntax error");
  EXPECT_EQ(user.Apply({"(+get", "~a"}),
            "Unmatched parenthesis in acl selector starting at '(+get'.");
}

TEST(AclUserTest, Rules_OfEachKind_AreListedAsInRedis) {
  EXPECT_EQ(RulesAfter("on >x ~b %R~c %rw~d +@read"),
            "on #" + std::string(kDigestOfX) +
                " ~b %R~c ~d resetchannels -@all +@read");
  EXPECT_EQ(RulesAfter("on >x >x nopass"), "on nopass resetchannels -@all");
  EXPECT_EQ(RulesAfter("nopass >x <x"), "off resetchannels -@all");
  EXPECT_EQ(RulesAfter("%R~a %W~a"), "off ~a resetchannels -@all");
  EXPECT_EQ(RulesAfter("&a &a &b"), "off resetchannels &a &b -@all");
  EXPECT_EQ(RulesAfter("+@all -get"), "off resetchannels +@all -get");
  EXPECT_EQ(RulesAfter("+CLIENT|ID +select|0 ()"),
            "off resetchannels -@all +client|id +select|0 "
            "(resetchannels -@all)");
  EXPECT_EQ(RulesAfter("+get (+set ~x allchannels)"),
            "off resetchannels -@all +get (~x &* -@all +set)");
  EXPECT_EQ(RulesAfter("on nopass ~* +get (+set) reset"),
            "off sanitize-payload resetchannels -@all");
  EXPECT_EQ(RulesAfter("skip-sanitize-payload"),
            "off skip-sanitize-payload resetchannels -@all");
  EXPECT_EQ(RulesAfter("on certificate role:viewer"),
            "on certificate role:viewer resetchannels -@all");
}

TEST(AclUserTest, Rules_OfCommands_OverruleEarlierOnes) {
  EXPECT_EQ(RulesAfter("+client|id +client|info -client"),
            "off resetchannels -@all -client");
  EXPECT_EQ(RulesAfter("+get -get +get"), "off resetchannels -@all +get");
  EXPECT_EQ(RulesAfter("+get +set +@all"), "off resetchannels +@all");
  const AclUser user = UserWith("+@all -@write +set ~*");
  EXPECT_EQ(Refusal(user, "get a"), "");
  EXPECT_EQ(Refusal(user, "set a 1"), "");
  EXPECT_EQ(Refusal(user, "del a"), NoCommand("del"));
}

TEST(AclUserTest, Rules_GivenAgain_MakeTheSameUser) {
  for (const std::string_view rules :
       {"on >x >y %R~a* %W~b ~c +@read -get +client|id +select|0",
        "on nopass allkeys &ch* +@all -@dangerous (+set ~x) (%W~y +del)",
        "off certificate role:operator sanitize-payload"}) {
    const std::string first = RulesAfter(rules);
    EXPECT_EQ(RulesAfter(first), first);
  }
}

TEST(AclUserTest, Password_OfAUser_IsAcceptedWhileItIsOn) {
  AclUser user = UserWith("on >x >y");
  EXPECT_TRUE(user.AcceptsPassword("x"));
  EXPECT_TRUE(user.AcceptsPassword("y"));
  EXPECT_FALSE(user.AcceptsPassword("z"));
  EXPECT_FALSE(user.AcceptsPassword(kDigestOfX));
  EXPECT_EQ(user.Apply({"<x"}), "");
  EXPECT_FALSE(user.AcceptsPassword("x"));
  EXPECT_EQ(user.Apply({"off"}), "");
  EXPECT_FALSE(user.AcceptsPassword("y"));
  EXPECT_EQ(user.Apply({"on", "resetpass"}), "");
  EXPECT_FALSE(user.AcceptsPassword("y"));
  EXPECT_FALSE(user.AcceptsPassword(""));
}

TEST(AclUserTest, Certificate_OfAUserWithoutPasswords_IsTheOnlyProof) {
  AclUser user = UserWith("on certificate");
  EXPECT_TRUE(user.takes_certificates());
  EXPECT_FALSE(user.open());
  EXPECT_FALSE(user.AcceptsPassword(""));
  EXPECT_EQ(user.Apply({"off"}), "");
  EXPECT_FALSE(user.takes_certificates());
}

// Each answer is that of ACL DRYRUN in redis-server 7.0.15.
TEST(AclUserTest, Check_OfKeys_LooksAtTheUseOfEach) {
  const AclUser user = UserWith(
      "on nopass %R~a* %W~b* +get +set +mget (+getset ~c*) +exists +select|0");
  EXPECT_EQ(Refusal(user, "get a"), "");
  EXPECT_EQ(Refusal(user, "get b"), NoKey("b"));
  EXPECT_EQ(Refusal(user, "set b 1"), "");
  EXPECT_EQ(Refusal(user, "set b 1 get"), NoKey("b"));
  EXPECT_EQ(Refusal(user, "set a 1"), NoKey("a"));
  EXPECT_EQ(Refusal(user, "getset c 1"), "");
  EXPECT_EQ(Refusal(user, "getset b 1"), NoKey("b"));
  EXPECT_EQ(Refusal(user, "mget a a b"), NoKey("b"));
  EXPECT_EQ(Refusal(user, "del a"), NoCommand("del"));
  EXPECT_EQ(Refusal(user, "exists b"), "");
  EXPECT_EQ(Refusal(user, "exists c"), NoKey("c"));
  EXPECT_EQ(Refusal(user, "select 1"), NoCommand("select"));
  EXPECT_EQ(Refusal(user, "select 0"), "");
  EXPECT_EQ(Refusal(user, "client id"), NoCommand("client|id"));
  EXPECT_EQ(Refusal(user, "auth x y"), "");
  EXPECT_EQ(Refusal(user, "hello 3"), "");
}

TEST(AclUserTest, Check_OfPatterns_MatchesAsGlobs) {
  const AclUser user = UserWith("~a?c ~p:* ~[xy]z ~exact +get");
  for (const std::string_view key : {"abc", "p:", "p:1", "xz", "yz", "exact"}) {
    EXPECT_EQ(Refusal(user, "get " + std::string(key)), "") << key;
  }
  for (const std::string_view key : {"ac", "p", "zz", "exactly", "exac"}) {
    EXPECT_EQ(Refusal(user, "get " + std::string(key)), NoKey(key));
  }
}

TEST(AclUserTest, Check_OfACommandInASession_LooksAtBothCommands) {
  const AclUser user = UserWith("~a* +quorate.do +get +set");
  EXPECT_EQ(Refusal(user, "quorate.do t 1 1 set a 1"), "");
  EXPECT_EQ(Refusal(user, "quorate.do t 1 1 set b 1"), NoKey("b"));
  EXPECT_EQ(Refusal(user, "quorate.do t 1 1 del a"), NoCommand("del"));
  EXPECT_EQ(Refusal(UserWith("~* +set"), "quorate.do t 1 1 set a 1"),
            NoCommand("quorate.do"));
}

TEST(AclUserTest, Categories_OfRedis_AllExist) {
  EXPECT_EQ(AclCategories().size(), 21u);
  for (const std::string_view category : AclCategories()) {
    AclUser user("anna");
    EXPECT_EQ(user.ApplyText("+@" + std::string(category)), "");
  }
  EXPECT_TRUE(IsInCategory(*FindCommand("get"), "READ"));
  EXPECT_FALSE(IsInCategory(*FindCommand("get"), "write"));
  EXPECT_TRUE(IsInCategory(*FindCommand("acl|setuser"), "admin"));
}

TEST(AclUserTest, Name_WithSpacesOrTooLong_IsRefused) {
  EXPECT_EQ(UserNameError("anna"), "");
  EXPECT_EQ(UserNameError("a b"),
            "Usernames can't contain spaces or null characters");
  EXPECT_EQ(UserNameError(std::string("a\0b", 3)),
            "Usernames can't contain spaces or null characters");
  EXPECT_NE(UserNameError(std::string(65, 'a')), "");
  EXPECT_NE(UserNameError(""), "");
}

}  // namespace
}  // namespace quorate::node
