#include "net/import/import_verb.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "gtest/gtest.h"
#include "node/config/config.h"

namespace quorate::net {
namespace {

std::string Scratch() {
  const std::string path =
      testing::TempDir() + "/" +
      testing::UnitTest::GetInstance()->current_test_info()->name();
  std::filesystem::remove_all(path);
  std::filesystem::create_directories(path);
  return path;
}

std::string Read(const std::string& path) {
  std::ifstream in(path);
  return std::string((std::istreambuf_iterator<char>(in)), {});
}

// The path of a file with two shards, or with the text.
std::string Shards(const std::string& folder, const std::string& text = "") {
  const std::string path = folder + "/sharding.toml";
  std::ofstream(path)
      << (text.empty() ? "[[shards]]\nname = \"a\"\nidx = 0\naddress = "
                         "\"127.0.0.2:8080\"\n[[shards]]\nname = \"b\"\nidx = "
                         "1\naddress = \"127.0.0.3:8080\"\n"
                       : text);
  return path;
}

const ImportOptions kCluster7 = {.cluster = ClusterId(7)};

TEST(ImportVerb, WithoutPlace_PrintsTheFileOfNode1) {
  const ImportAnswer answer =
      ImportConfig({.file = Shards(Scratch())}, kCluster7, false);
  EXPECT_EQ(answer.exit_status, 0) << answer.error;
  const auto config = node::ParseConfig(answer.out, "out");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->node, NodeId(1));
  EXPECT_NE(answer.notes.find("--out-dir"), std::string::npos);
}

TEST(ImportVerb, Out_ReplacesNoFile) {
  const std::string folder = Scratch();
  const ImportPaths paths = {.file = Shards(folder),
                             .out = folder + "/quorate.toml"};
  const ImportAnswer first = ImportConfig(paths, kCluster7, false);
  EXPECT_EQ(first.exit_status, 0) << first.error;
  EXPECT_EQ(first.out, "");
  const std::string text = Read(paths.out);
  EXPECT_TRUE(node::ParseConfig(text, "out").ok());
  const ImportAnswer second =
      ImportConfig(paths, {.cluster = ClusterId(8)}, false);
  EXPECT_EQ(second.exit_status, 1);
  EXPECT_NE(second.error.find("exists"), std::string::npos) << second.error;
  EXPECT_EQ(Read(paths.out), text);
}

TEST(ImportVerb, OutDir_GetsTheFileOfEachNode) {
  const std::string folder = Scratch();
  const ImportPaths paths = {.file = Shards(folder),
                             .out_dir = folder + "/new/conf"};
  const ImportAnswer dry = ImportConfig(paths, kCluster7, true);
  EXPECT_EQ(dry.exit_status, 0) << dry.error;
  EXPECT_FALSE(std::filesystem::exists(folder + "/new"));
  const ImportAnswer answer = ImportConfig(paths, kCluster7, false);
  EXPECT_EQ(answer.exit_status, 0) << answer.error;
  for (const uint32_t id : {1u, 2u}) {
    const std::string path =
        paths.out_dir + "/node-" + std::to_string(id) + ".toml";
    const auto config = node::ParseConfig(Read(path), path);
    ASSERT_TRUE(config.ok()) << config.status();
    EXPECT_EQ(config->node, NodeId(id));
  }
}

TEST(ImportVerb, RelativePaths_AreThoseOfTheUser) {
  const std::string folder = Scratch();
  Shards(folder);
  ASSERT_EQ(setenv("BUILD_WORKING_DIRECTORY", folder.c_str(), 1), 0);
  const ImportAnswer answer = ImportConfig(
      {.file = "sharding.toml", .out = "quorate.toml"}, kCluster7, false);
  unsetenv("BUILD_WORKING_DIRECTORY");
  EXPECT_EQ(answer.exit_status, 0) << answer.error;
  EXPECT_TRUE(std::filesystem::exists(folder + "/quorate.toml"));
}

TEST(ImportVerb, Errors_SayWhetherTheFileIsWrong) {
  const std::string folder = Scratch();
  const ImportAnswer missing =
      ImportConfig({.file = folder + "/none.toml"}, kCluster7, false);
  EXPECT_EQ(missing.exit_status, 1);
  EXPECT_NE(missing.error.find("none.toml"), std::string::npos);
  EXPECT_EQ(ImportConfig({.file = folder}, kCluster7, false).exit_status, 1);
  const std::string wrong = Shards(folder, "[[shards]]\nname = \"a\"\n");
  const ImportAnswer answer = ImportConfig({.file = wrong}, kCluster7, false);
  EXPECT_EQ(answer.exit_status, 2);
  EXPECT_EQ(answer.out, "");
  EXPECT_TRUE(answer.error.starts_with(wrong + ":1:1: key")) << answer.error;
}

}  // namespace
}  // namespace quorate::net
