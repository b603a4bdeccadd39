import org.jetbrains.kotlin.gradle.dsl.JvmTarget

plugins {
    alias(libs.plugins.android.application)
    alias(libs.plugins.kotlin.android)
}

android {
    namespace = "dev.mobilekit.demo"
    compileSdk = libs.versions.compileSdk.get().toInt()

    defaultConfig {
        applicationId = "dev.mobilekit.demo"
        minSdk = libs.versions.minSdk.get().toInt()
        targetSdk = libs.versions.targetSdk.get().toInt()
        versionCode = 1
        versionName = "0.1.0"
        ndk {
            // What the AAR has: phones, and emulators on a desk.
            abiFilters += listOf("arm64-v8a", "x86_64")
        }
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }

    androidResources {
        // Models hardly shrink, and are copied out of the app faster when they lie in it as they are.
        noCompress += listOf("pte")
        localeFilters += listOf("en", "de")
    }

    packaging {
        jniLibs {
            // Libraries stay in the APK, uncompressed and aligned: what phones with pages of 16 KB ask for.
            useLegacyPackaging = false
            // Both ExecuTorch's AAR and fbjni's bring it.
            pickFirsts += "**/libc++_shared.so"
        }
    }

    sourceSets {
        getByName("test") {
            // The native runner behind the app's runtime.
            kotlin.srcDir("../mobilekit/src/testing/kotlin")
        }
    }

    testOptions {
        unitTests {
            isIncludeAndroidResources = true
            all { test ->
                listOf("mobilekit.bundles", "mobilekit.screenshots").forEach { name ->
                    System.getProperty(name)?.let { test.systemProperty(name, it) }
                }
            }
        }
    }

    lint {
        // Its errors end a build, its warnings do not: nobody has run it on this yet (README.md).
        abortOnError = true
        // Newer versions are taken when the exporter takes them, all together.
        disable += listOf("GradleDependency", "NewerVersionAvailable", "AndroidGradlePluginVersion", "OldTargetApi")
    }
}

kotlin {
    compilerOptions {
        jvmTarget = JvmTarget.JVM_17
        allWarningsAsErrors = true
    }
}

dependencies {
    implementation(project(":mobilekit"))
    implementation(libs.executorch.android)
    testImplementation(libs.junit4)
    testImplementation(libs.robolectric)
}
