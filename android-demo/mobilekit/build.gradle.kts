// The library alone: the JVM's standard library, kotlinx.serialization, and nothing of Android.
plugins {
    alias(libs.plugins.kotlin.jvm)
}

// Java 8's API and bytecode: what every phone since Android 8.0 has.
java {
    sourceCompatibility = JavaVersion.VERSION_1_8
    targetCompatibility = JavaVersion.VERSION_1_8
}

kotlin {
    compilerOptions {
        jvmTarget = org.jetbrains.kotlin.gradle.dsl.JvmTarget.JVM_1_8
        freeCompilerArgs.add("-Xjdk-release=1.8")
    }
    // dev.mobilekit.testing, which the app's tests compile as well
    sourceSets["test"].kotlin.srcDir("src/testing/kotlin")
}

dependencies {
    api(libs.kotlinx.serialization.json)
    testImplementation(libs.junit.jupiter)
    testRuntimeOnly(libs.junit.platform.launcher)
}

tasks.test {
    useJUnitPlatform()
    System.getProperty("mobilekit.bundles")?.let { systemProperty("mobilekit.bundles", it) }
}
