// Copies whose one end is confined to a directory: whatever its paths are, nothing outside is touched or
// read.
#include <unistd.h>

#include "catch.h"
#include "ground/error.h"
#include "tree/trees.h"

using namespace rdpipe;
using namespace rdpipe::test;

namespace fs = std::filesystem;

namespace {

// "root" is what is shared; "outside" must stay as it is.
struct Confined {
  Confined() {
    fs::create_directories(scratch / "root/dir");
    fs::create_directory(scratch / "outside");
    put(scratch / "outside/secret", "secret");
    fs::create_symlink("../outside", scratch / "root/out");
    fs::create_symlink(scratch / "outside", scratch / "root/dir/absolute");
    fs::create_symlink("../outside/secret", scratch / "root/file");
    put(scratch / "src", "new");
    root = Descriptor(::open((scratch / "root").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    REQUIRE(root);
  }
  void check_outside() const {
    CHECK(get(scratch / "outside/secret") == "secret");
    CHECK(std::distance(fs::directory_iterator(scratch / "outside"), {}) == 1);
    CHECK(scratch.entries().size() == 3);
  }
  // Only the receiver is confined, then only the sender.
  Copied receive(const std::vector<std::string>& sources, const std::string& destination,
                 CopyOptions options = archive()) const {
    return copy(sources, destination, options, -1, root.get());
  }
  Copied send(const std::vector<std::string>& sources, const std::string& destination,
              CopyOptions options = archive()) const {
    return copy(sources, destination, options, root.get(), -1);
  }
  static Copied copy(const std::vector<std::string>& sources, const std::string& destination,
                     CopyOptions options, int senders, int receivers) {
    Copied copied;
    options.notice = [&](const std::string& line) { copied.notices.push_back(line); };
    Loop loop;
    Ring ring({64_KiB, 8});
    options.beneath = senders;
    TreeSource source(sources, options, "sender");
    options.beneath = receivers;
    TreeSink sink(destination, options, "receiver");
    pump(loop, ring, source, sink);
    copied.report = sink.report();
    return copied;
  }

  Scratch scratch;
  Descriptor root;
};

void check_error(const std::function<void()>& work, const std::string& cause) {
  try {
    work();
    FAIL("no error, but for " << cause);
  } catch (const Error& error) {
    CHECK(error.status() == Status::kEndpoint);
    CHECK(error.cause() == cause);
  }
}

}  // namespace

TEST_CASE("a confined destination is beneath its directory") {
  const Confined here;
  const std::string source = here.scratch / "src";
  for (const char* path : {"plain", "/rooted", "dir/../plain", "//dir/below"}) {
    INFO(path);
    const bool leads_up = std::string(path).find("..") != std::string::npos;
    if (leads_up) {
      check_error([&] { here.receive({source}, path); }, "no '..' is followed there");
    } else {
      CHECK(here.receive({source}, path).report.status() == 0);
      CHECK(get(here.scratch / (std::string("root/") + path)) == "new");
    }
  }
  CHECK(here.receive({source}, "/").report.status() == 0);
  CHECK(get(here.scratch / "root/src") == "new");
  CHECK(here.receive({source}, "").report.status() == 0);
  here.check_outside();
}

TEST_CASE("a confined destination is reached through no symlink and no dots") {
  const Confined here;
  const std::string source = here.scratch / "src";
  CopyOptions makes = archive();
  makes.mkpath = true;
  for (const CopyOptions& options : {archive(), makes}) {
    for (const char* path : {"..", "../outside", "../outside/secret", "../new", "/../new", "dir/../../new"}) {
      INFO(path);
      check_error([&] { here.receive({source}, path, options); }, "no '..' is followed there");
    }
    for (const char* path : {"out", "out/", "file", "/dir/absolute"}) {
      INFO(path);
      check_error([&] { here.receive({source}, path, options); },
                  "it is a symlink, and none is followed there");
    }
    for (const char* path : {"out/secret", "out/new", "dir/absolute/new", "out/new/"}) {
      INFO(path);
      CHECK_THROWS_AS(here.receive({source}, path, options), Error);
    }
  }
  here.check_outside();
  CHECK(fs::is_symlink(here.scratch / "root/file"));
}

TEST_CASE("a confined receiver makes paths, and keeps backups and parts, beneath its directory") {
  const Confined here;
  const std::string source = here.scratch / "src";
  CopyOptions options = archive();
  options.mkpath = true;
  CHECK(here.receive({source}, "/a/b/c", options).report.status() == 0);
  CHECK(get(here.scratch / "root/a/b/c") == "new");

  options.backup = true;
  for (const char* directory : {"../outside", "/../outside", "/out", "out"}) {
    INFO(directory);
    options.backup_dir = directory;
    options.ignore_times = true;
    put(here.scratch / "root/src", "old");
    try {
      CHECK(here.receive({source}, "/", options).report.status() == 23);
    } catch (const Error&) {  // NOLINT(bugprone-empty-catch): as good
    }
    CHECK(get(here.scratch / "root/src") == "old");
  }
  options.backup_dir = "/kept/here";
  CHECK(here.receive({source}, "/", options).report.status() == 0);
  CHECK(get(here.scratch / "root/kept/here/src") == "old");

  CopyOptions partial = archive();
  partial.partial = true;
  const std::string large = here.scratch / "root/large";
  for (const char* directory : {"../../outside", "/../outside", "/out", "out"}) {
    INFO(directory);
    partial.partial_dir = directory;
    put(here.scratch / "src", pattern(300'000));
    try {
      CHECK(here.receive({source}, "large", partial).report.status() == 23);
    } catch (const Error&) {  // NOLINT(bugprone-empty-catch): as good
    }
    CHECK_FALSE(fs::exists(large));
  }
  here.check_outside();
}

TEST_CASE("a confined receiver's own directory keeps all but its time") {
  const Confined here;
  const fs::path root = here.scratch / "root", source = here.scratch / "tree";
  fs::create_directories(source / "dir");
  put(source / "new", "new");
  fs::permissions(root, fs::perms(0750));
  const auto time_of_root = [&] { return fs::last_write_time(root); };
  const auto moment = fs::file_time_type::clock::now() - std::chrono::hours(48);
  CopyOptions options = archive();
  options.acls = options.xattrs = true;
  options.chmod = "D0555";
  for (const char* path : {"", ".", "/", "//.", "./"}) {
    INFO(path);
    fs::last_write_time(source, moment);
    const Copied copied = here.receive({source.string() + "/"}, path, options);
    CHECK(copied.report.status() == 0);
    CHECK(copied.notices.empty());
    CHECK((fs::status(root).permissions() & fs::perms::mask) == fs::perms(0750));
    CHECK(time_of_root() == moment);
    fs::permissions(root / "dir", fs::perms(0755));
    fs::remove(root / "new");
  }
  options.no_target_directory = true;
  CHECK(here.receive({source.string()}, ".", options).report.status() == 0);
  CHECK((fs::status(root).permissions() & fs::perms::mask) == fs::perms(0750));
  CHECK((fs::status(root / "dir").permissions() & fs::perms::mask) == fs::perms(0555));
  CHECK(here.receive({source.string() + "/"}, "dir", options).report.status() == 0);  // any other as ever
  CHECK((fs::status(root / "dir").permissions() & fs::perms::mask) == fs::perms(0555));
  fs::permissions(root / "dir", fs::perms(0755));
}

TEST_CASE("a confined sender reads nothing outside its directory") {
  const Confined here;
  fs::create_directory(here.scratch / "root/data");
  put(here.scratch / "root/data/one.txt", "1");
  put(here.scratch / "root/data/two.txt", "2");
  const Scratch target;
  for (const char* path : {"..", "../outside", "../outside/secret", "out/secret", "out/",
                           "/../outside/secret", "dir/absolute/secret", "data/../../outside/secret"}) {
    INFO(path);
    const Copied copied = here.send({path}, target / "");
    CHECK(copied.report.status() == 23);
    CHECK(target.entries().empty());
  }
  const Copied link = here.send({"file", "/data/one.txt"}, target / "");  // itself, as it is
  CHECK(link.report.status() == 0);
  CHECK(fs::is_symlink(target / "file"));
  CHECK(get(target / "one.txt") == "1");

  CopyOptions globs = archive();
  globs.globs = true;
  CHECK(here.send({"data/t*.txt"}, target / "", globs).report.files == 1);
  CHECK(get(target / "two.txt") == "2");
  for (const char* pattern : {"out/*", "../outside/*", "o*/secret"}) {
    CHECK(here.send({pattern}, target / "", globs).report.status() == 23);
  }
  CopyOptions follows = archive();
  follows.copy_links = true;
  CHECK_THROWS_AS(here.send({"out"}, target / "", follows), Error);
  CHECK_FALSE(fs::exists(target / "secret"));
  here.check_outside();
}

TEST_CASE("a confined sender lists nothing through symlinks, and expands no more than it can hold") {
  const Confined here;
  const Scratch target;
  fs::create_directory(here.scratch / "root/inside");
  put(here.scratch / "root/inside/one", "1");
  fs::create_symlink("inside", here.scratch / "root/near");
  CopyOptions listed = archive();
  listed.files_from = {"out/secret", "dir/absolute/secret", "near/one", "inside/one"};
  const Copied copied = here.send({"/"}, target / "", listed);
  CHECK(copied.report.status() == 23);
  CHECK(target.entries() == std::vector<std::string>{"dir", "inside"});
  CHECK(fs::is_empty(target / "dir"));
  CHECK(get(target / "inside/one") == "1");

  CopyOptions globs = archive();
  globs.globs = true;
  CHECK_NOTHROW(here.send(std::vector<std::string>(1000, "inside/x*"), target / "", globs));
  CHECK_THROWS_AS(here.send(std::vector<std::string>(1001, "inside/x*"), target / "", globs), Error);
  here.check_outside();
}
