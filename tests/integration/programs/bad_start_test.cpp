// Programs that are started in wrong ways: one clear line on stderr that names what is wrong, and
// exit code 1 or 2.
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../chaos/store/mounts.hpp"
#include "programs.hpp"

namespace baozi::test {
namespace {

using namespace std::chrono_literals;

using Words = std::vector<std::string>;

struct Mistake {
  const char* why;
  Words words;  ///< the program and its arguments
  int code;
  const char* names;  ///< what the line must say
  Words environment = {};
};

class BadStart : public testing::Test {
 protected:
  void check(const Mistake& mistake) {
    SCOPED_TRACE(std::string{mistake.why} + ": " + mistake.words[0]);
    Words command = mistake.words;
    command[0] = program(command[0]);
    Process process{command,
                    {.folder = folder.path().string(), .environment = mistake.environment}};
    EXPECT_EQ(process.wait(30s), mistake.code) << process.err() << process.out();
    const std::string said = process.err();
    EXPECT_TRUE(said.starts_with("baozi")) << said;
    EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1) << "one line: " << said;
    EXPECT_NE(said.find(mistake.names), std::string::npos)
        << "it should name '" << mistake.names << "': " << said;
    EXPECT_EQ(process.out(), "");
  }
  /// A store as the program itself makes it.
  void make_store(const std::string& node, const std::string& file) {
    Process process{{program(node), "--listen", "tcp://127.0.0.1:0", "--store", "sqlite:" + file},
                    {.folder = folder.path().string()}};
    ASSERT_TRUE(process.says("listening on")) << process.err();
    process.signal(SIGTERM);
    ASSERT_EQ(process.wait(30s), 0) << process.err();
  }
  void change(const std::string& file, const std::string& sql) const {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open((folder / file).c_str(), &db), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(db);
    sqlite3_close(db);
  }

  TempDir folder;
};

const Words nodes = {"baozi-broker", "baozi-collector", "baozi-worker", "baozi-beat", "baozi-node"};

TEST_F(BadStart, OptionsThatAreWrongAreTheUsersMistake) {
  folder.write("typo.yaml", "# first\nlogelvel: info\n");
  folder.write("twice.yaml", "loglevel: info\nloglevel: debug\n");
  folder.write("deep.yaml", "loglevel: {a: 1}\n");
  folder.write("broken.yaml", "loglevel: [\n");
  for (const std::string& node : nodes) {
    for (const Mistake& mistake : std::vector<Mistake>{
             {"an option that is none", {node, "--no-such-option"}, 2, "--no-such-option"},
             {"one letter wrong", {node, "--logelvel", "info"}, 2, "did you mean '--loglevel'"},
             {"no value", {node, "--loglevel"}, 2, "loglevel"},
             {"a wrong value", {node, "--loglevel", "loud"}, 2, "'loud'"},
             {"an argument too many", {node, "extra"}, 2, "'extra'"},
             {"an empty name", {node, "-n", ""}, 2, "--name"},
             {"a name of two lines", {node, "-n", "a\nb"}, 2, "--name"},
             {"a wrong variable", {node}, 2, "BAOZI_LOGLEVEL", {"BAOZI_LOGLEVEL=loud"}},
             {"no such file", {node, "--config", "none.yaml"}, 2, "none.yaml"},
             {"a wrong key", {node, "--config", "typo.yaml"}, 2, "typo.yaml:2"},
             {"a key twice", {node, "--config", "twice.yaml"}, 2, "twice.yaml:2"},
             {"a map for a value", {node, "--config", "deep.yaml"}, 2, "deep.yaml:1"},
             {"a file that is no YAML", {node, "--config", "broken.yaml"}, 2, "broken.yaml"},
         }) {
      check(mistake);
    }
  }
}

TEST_F(BadStart, ValuesThatNoNodeCanUseAreTheUsersMistake) {
  for (const Mistake& mistake : std::vector<Mistake>{
           {"no duration", {"baozi-broker", "--heartbeat", "soon"}, 2, "--heartbeat: 'soon'"},
           {"out of range", {"baozi-broker", "--heartbeat", "1h"}, 2, "between 10ms and 10m"},
           {"a contradiction", {"baozi-broker", "--heartbeat", "8s"}, 2, "--liveness"},
           {"no endpoint",
            {"baozi-broker", "--listen", "here"},
            2,
            "--listen: bad endpoint 'here'"},
           {"no port", {"baozi-broker", "--listen", "tcp://127.0.0.1:99999"}, 2, "99999"},
           {"reachable by others without keys",
            {"baozi-broker", "--listen", "tcp://0.0.0.0:0", "--store", "memory:"},
            2,
            "--insecure"},
           {"no store",
            {"baozi-broker", "--store", "mine", "--listen", "tcp://127.0.0.1:0"},
            2,
            "--store"},
           {"a folder for a store",
            {"baozi-broker", "--store", "sqlite:.", "--listen", "tcp://127.0.0.1:0"},
            2,
            "--store"},
           {"no policy", {"baozi-broker", "--queue-policy", "eat"}, 2, "'eat'"},
           {"no limits",
            {"baozi-broker", "--queue", "math:tasks=zero", "--store", "memory:", "--listen",
             "tcp://127.0.0.1:0"},
            2,
            "--queue"},
           {"a list without itself",
            {"baozi-broker", "--brokers", "tcp://a:7170,tcp://b:7170", "--store",
             "memory:", "--listen", "tcp://127.0.0.1:0"},
            2,
            "none of --brokers tcp://a:7170,tcp://b:7170 is where this broker listens, "
            "tcp://127.0.0.1:0: say with --address which one it is"},
           {"an address that is not in the list",
            {"baozi-broker", "--brokers", "tcp://a:7170,tcp://b:7170", "--address", "tcp://c:7170",
             "--store", "memory:", "--listen", "tcp://127.0.0.1:0"},
            2,
            "--address tcp://c:7170 is not one of --brokers tcp://a:7170,tcp://b:7170"},
           {"a broker that is named twice",
            {"baozi-broker", "--brokers", "tcp://a:7170,tcp://a", "--store", "memory:", "--listen",
             "tcp://127.0.0.1:0"},
            2,
            "--brokers: bad endpoint 'tcp://a': it is in the list twice"},
           {"itself twice",
            {"baozi-broker", "--brokers", "inproc://b,inproc://c", "--store", "memory:", "--listen",
             "inproc://b,inproc://c"},
            2,
            "--brokers names this broker more than once"},
           {"an address without a list",
            {"baozi-broker", "--address", "tcp://a:7170", "--store", "memory:", "--listen",
             "tcp://127.0.0.1:0"},
            2,
            "--address tcp://a:7170 without --brokers"},
           {"a beat that would choose brokers by other names than all others",
            {"baozi-node", "--roles", "broker,beat", "--broker", "tcp://127.0.0.1:1",
             "--broker-store", "memory:", "--broker-listen", "tcp://127.0.0.1:0"},
            2,
            "a beat of several brokers chooses among them by their addresses: name all of them, "
            "this one too, with --brokers"},
           {"no endpoint",
            {"baozi-collector", "--listen", "here"},
            2,
            "--listen: bad endpoint 'here'"},
           {"no broker",
            {"baozi-collector", "--broker", "there", "--store", "memory:", "--listen",
             "tcp://127.0.0.1:0"},
            2,
            "--broker"},
           {"no endpoint to tell",
            {"baozi-collector", "--advertise", "there", "--store", "memory:", "--listen",
             "tcp://127.0.0.1:0"},
            2,
            "--advertise"},
           {"no age", {"baozi-collector", "--results-age", "0s"}, 2, "--results-age"},
           {"no library", {"baozi-worker"}, 2, "--app"},
           {"no pool", {"baozi-worker", "-A", "x.so", "-P", "swimming"}, 2, "'swimming'"},
           {"no number", {"baozi-worker", "-A", "x.so", "-c", "many"}, 2, "'many'"},
           {"too many", {"baozi-worker", "-A", "x.so", "-c", "1000000"}, 2, "--concurrency"},
           {"no credit", {"baozi-worker", "-A", "x.so", "--prefetch", "lots"}, 2, "'lots'"},
           {"no queue", {"baozi-worker", "-A", "x.so", "-Q", "a\nb"}, 2, "--queues"},
           {"no broker", {"baozi-worker", "-A", "x.so", "--broker", "there"}, 2, "--broker"},
           {"no role", {"baozi-node", "--roles", "cook"}, 2, "'cook'"},
           {"no role at all", {"baozi-node", "--roles", ""}, 2, "--roles"},
           {"a worker without tasks", {"baozi-node", "--roles", "worker"}, 2, "--app"},
       }) {
    check(mistake);
  }
}

TEST_F(BadStart, CommandsThatAreWrongAreTheUsersMistake) {
  for (const Mistake& mistake : std::vector<Mistake>{
           {"no such command", {"baozi", "stauts"}, 2, "did you mean 'status'"},
           {"no name", {"baozi", "call"}, 2, "baozi call: NAME is missing (see baozi call --help)"},
           {"no JSON", {"baozi", "call", "c.add", "[1,"}, 2, "ARGUMENTS is not JSON"},
           {"no array", {"baozi", "call", "c.add", "7"}, 2, "JSON array"},
           {"no object", {"baozi", "call", "c.add", "--kwargs", "[]"}, 2, "--kwargs"},
           {"no time", {"baozi", "call", "c.add", "--countdown", "soon"}, 2, "--countdown"},
           {"a local time", {"baozi", "call", "c.add", "--eta", "2026-03-01T08:15:30"}, 2, "--eta"},
           {"no priority", {"baozi", "call", "c.add", "--priority", "12"}, 2, "--priority"},
           {"no patience", {"baozi", "call", "c.add", "--wait=now"}, 2, "--wait"},
           {"no endpoint", {"baozi", "status", "--broker", "there"}, 2, "--broker"},
           {"no id", {"baozi", "result"}, 2, "ID is missing"},
           {"no id that can be", {"baozi", "result", "a\nb"}, 2, "no task id"},
           {"no ids", {"baozi", "revoke"}, 2, "ID is missing"},
           {"no action", {"baozi", "dead", "eat"}, 2, "'eat'"},
           {"no letters", {"baozi", "dead", "retry"}, 2, "--all"},
           {"nobody to ask", {"baozi", "purge", "math"}, 2, "--force"},
           {"no figure", {"baozi", "bench", "sing"}, 2, "'sing'"},
           {"no broker there",
            {"baozi", "status", "--broker", "tcp://127.0.0.1:9", "--timeout", "300ms"},
            1,
            "tcp://127.0.0.1:9"},
           {"no broker for a call",
            {"baozi", "call", "c.add", "[1,2]", "--broker", "tcp://127.0.0.1:9", "--timeout",
             "300ms"},
            1,
            "tcp://127.0.0.1:9"},
           {"no broker for a result",
            {"baozi", "result", "abc", "--broker", "tcp://127.0.0.1:9", "--timeout", "300ms"},
            1,
            "tcp://127.0.0.1:9"},
           {"no broker for a revoke",
            {"baozi", "revoke", "abc", "--broker", "tcp://127.0.0.1:9", "--timeout", "300ms"},
            1,
            "tcp://127.0.0.1:9"},
           {"no broker for a bench",
            {"baozi", "bench", "--broker", "tcp://127.0.0.1:9", "--timeout", "300ms"},
            1,
            "tcp://127.0.0.1:9"},
       }) {
    check(mistake);
  }
}

TEST_F(BadStart, APortInUseIsNamed) {
  Cluster other;
  other.start_broker();
  for (const Mistake& mistake : std::vector<Mistake>{
           {"a port in use",
            {"baozi-broker", "--store", "memory:", "--listen", other.address()},
            1,
            "already in use"},
           {"a port in use",
            {"baozi-collector", "--store", "memory:", "--listen", other.address()},
            1,
            "already in use"},
           {"a port in use",
            {"baozi-node", "--broker-store", "memory:", "--broker-listen", other.address()},
            1,
            "already in use"},
           {"detached",
            {"baozi-broker", "--detach", "--store", "memory:", "--listen", other.address()},
            1,
            "already in use"},
       }) {
    check(mistake);
  }
  EXPECT_EQ(other.status("books.accepted"), 0) << "and who has it is unhurt";
}

TEST_F(BadStart, ALibraryThatCannotBeLoadedIsNamed) {
  folder.write("text.so", "no library");
  const std::string library = TempDir::read(BAOZI_SAMPLE_TASKS);
  folder.write("cut.so", library.substr(0, 40));
  std::vector<Mistake> mistakes = {
      {"no such file", {"baozi-worker", "-A", "./none.so"}, 1, "none.so"},
      {"no library", {"baozi-worker", "-A", "./text.so"}, 1, "text.so"},
      {"a library that was cut off", {"baozi-worker", "-A", "./cut.so"}, 1, "cut.so"},
      {"a folder", {"baozi-worker", "-A", "/tmp"}, 1, "folder"},
      {"a library without tasks", {"baozi-worker", "-A", "libm.so.6"}, 1, "BAOZI_TASKS"},
      {"the same twice",
       {"baozi-worker", "-A", BAOZI_SAMPLE_TASKS, "-A", BAOZI_SAMPLE_TASKS},
       1,
       "c.add"},
      {"in one process with others",
       {"baozi-node", "--roles", "worker", "-A", "./none.so"},
       1,
       "none.so"},
  };
  for (const Mistake& mistake : mistakes) check(mistake);
}

TEST_F(BadStart, AFileThatCannotBeWrittenIsNamed) {
  for (const std::string node : {"baozi-broker", "baozi-collector"}) {
    for (const Mistake& mistake : std::vector<Mistake>{
             {"no folder for the pid",
              {node, "--store", "memory:", "--listen", "tcp://127.0.0.1:0", "--pidfile",
               "/no/such/x.pid"},
              1,
              "/no/such/x.pid"},
             {"no folder for the log",
              {node, "--store", "memory:", "--listen", "tcp://127.0.0.1:0", "-f", "/no/such/x.log"},
              1,
              "/no/such/x.log"},
         }) {
      check(mistake);
    }
  }
}

TEST_F(BadStart, AStoreThatCannotBeUsedIsNamedAndLeftAlone) {
  const std::vector<std::pair<std::string, std::string>> stores = {
      {"baozi-broker", "tasks.db"}, {"baozi-collector", "results.db"}};
  for (const auto& [node, file] : stores) make_store(node, file);
  std::string noise(20'000, '\0');
  for (std::size_t i = 0; i < noise.size(); ++i)
    noise[i] = static_cast<char>(i * 2'654'435'761U >> 11U);
  for (const auto& [node, file] : stores) {
    const auto start = [&](const std::string& store) {
      return Words{node, "--listen", "tcp://127.0.0.1:0", "--store", "sqlite:" + store};
    };
    check({"no folder", start("no/such/folder.db"), 1, "no/such"});
    folder.write("noise.db", noise);
    check({"a corrupt file", start("noise.db"), 1, "noise.db"});
    folder.write("text.db", std::string(5'000, 'x'));
    check({"a file of something else", start("text.db"), 1, "text.db"});
    folder.write("cut.db", TempDir::read(folder / file).substr(0, 6'000));
    check({"a file that was cut off", start("cut.db"), 1, "cut.db"});
    folder.write("newer.db", TempDir::read(folder / file));
    change("newer.db", "UPDATE about SET value = value + 1 WHERE name = 'schema'");
    const std::string before = TempDir::read(folder / "newer.db");
    check({"a newer version's", start("newer.db"), 1, "newer"});
    EXPECT_EQ(TempDir::read(folder / "newer.db"), before);
    EXPECT_EQ(TempDir::read(folder / "noise.db"), noise);
  }
  check({"results for tasks",
         {"baozi-broker", "--listen", "tcp://127.0.0.1:0", "--store", "sqlite:results.db"},
         2,
         "holds results"});
  check({"tasks for results",
         {"baozi-collector", "--listen", "tcp://127.0.0.1:0", "--store", "sqlite:tasks.db"},
         2,
         "holds tasks"});
  Process first{
      {program("baozi-broker"), "--listen", "tcp://127.0.0.1:0", "--store", "sqlite:tasks.db"},
      {.folder = folder.path().string()}};
  ASSERT_TRUE(first.says("listening on"));
  check({"another process has it",
         {"baozi-broker", "--listen", "tcp://127.0.0.1:0", "--store", "sqlite:tasks.db"},
         1,
         "tasks.db"});
}

TEST_F(BadStart, AStoreThatIsReadOnlyIsNamed) {
  BAOZI_NEEDS_MOUNTS();
  store::testing::SmallDisk disk{"16m"};
  ASSERT_TRUE(disk.mounted());
  make_store("baozi-broker", disk / "tasks.db");
  make_store("baozi-collector", disk / "results.db");
  ASSERT_TRUE(disk.make_read_only());
  check(
      {"a read-only disk",
       {"baozi-broker", "--listen", "tcp://127.0.0.1:0", "--store", "sqlite:" + disk / "tasks.db"},
       1,
       "read-only"});
  check({"a read-only disk",
         {"baozi-collector", "--listen", "tcp://127.0.0.1:0", "--store",
          "sqlite:" + disk / "results.db"},
         1,
         "read-only"});
}

}  // namespace
}  // namespace baozi::test
