// What a C++ plugin does with its standard library. Each function returns 0, or the number of the line that went wrong.
#include <atomic>
#include <cerrno>
#include <chrono>
#include <clocale>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <future>
#include <iostream>
#include <locale>
#include <mutex>
#include <random>
#include <regex>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#define CHECK(what) do { if (!(what)) return __LINE__; } while (0)

static std::atomic<int> constructed{0};
struct Constructed {
    Constructed() {
        std::thread([] { constructed = 1; }).join();
    }
};
static Constructed in_a_constructor;

extern "C" int constructors() {
    CHECK(constructed == 1);
    return 0;
}

extern "C" int threads() {
    std::mutex mutex;
    std::condition_variable ready;
    int done = 0;
    std::vector<std::thread> all;
    for (int i = 0; i < 8; ++i) {
        all.emplace_back([&] {
            thread_local std::string own(1000, 'x');
            std::lock_guard<std::mutex> lock(mutex);
            done += own.size() == 1000;
            ready.notify_one();
        });
    }
    {
        std::unique_lock<std::mutex> lock(mutex);
        CHECK(ready.wait_for(lock, std::chrono::seconds(20), [&] { return done == 8; }));
    }
    for (auto& one : all) one.join();
    CHECK(std::async(std::launch::async, [] { return 42; }).get() == 42);
    CHECK(std::thread::hardware_concurrency() > 0);
    return 0;
}

extern "C" int memory() {
    std::vector<std::string> many;
    for (int i = 0; i < 10000; ++i) many.emplace_back(size_t(i % 5000), 'y');
    many.clear();
    // From the kernel at once, grown, and given back.
    char* block = static_cast<char*>(std::malloc(200 << 20));
    CHECK(block);
    std::memset(block, 1, 200 << 20);
    block = static_cast<char*>(std::realloc(block, 300 << 20));
    CHECK(block && block[(200 << 20) - 1] == 1);
    std::free(block);
    return 0;
}

extern "C" int chance() {
    std::random_device device;
    std::random_device file("/dev/urandom");
    CHECK((device() ^ device()) | (file() ^ file()) | 1);
    return 0;
}

extern "C" int streams() {
    std::ostringstream text;
    text << std::fixed << 1.5 << ' ' << 42;
    CHECK(text.str() == "1.500000 42");
    std::cout << "hello from C++" << std::endl;
    std::cerr << "hello from C++" << std::endl;
    std::ofstream nothing("/dev/null");
    nothing << "x" << std::flush;
    CHECK(nothing.good());
    std::ifstream secret("/etc/passwd");
    CHECK(!secret.is_open());
    CHECK(std::regex_match("abc123", std::regex("[a-z]+[0-9]+")));
    return 0;
}

extern "C" int locales() {
    std::locale here("C.UTF-8");
    CHECK(std::setlocale(LC_ALL, "C.UTF-8"));
    std::ostringstream text;
    text.imbue(here);
    text << 1234567;
    CHECK(text.str().size() >= 7);
    return 0;
}

extern "C" int exceptions() {
    try {
        std::vector<int> one(1);
        one.at(7) = 1;
    } catch (const std::out_of_range&) {
        try {
            throw std::runtime_error("thrown through frames of the library");
        } catch (const std::exception& error) {
            CHECK(std::string(error.what()).size() > 10);
            return 0;
        }
    }
    return __LINE__;
}

extern "C" int clocks() {
    auto before = std::chrono::steady_clock::now();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    CHECK(std::chrono::steady_clock::now() > before);
    std::time_t now = std::time(nullptr);
    std::tm parts{};
    CHECK(localtime_r(&now, &parts) && parts.tm_year > 100);
    CHECK(std::clock() >= 0);
    return 0;
}

extern "C" int files() {
    std::error_code error;
    CHECK(!std::filesystem::create_directory("/tmp/proscenium-none", error) && error);
    std::FILE* temporary = std::tmpfile();
    CHECK(!temporary);
    return 0;
}
